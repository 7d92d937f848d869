//! What policies allow, and who may assume roles.

mod held;

use crate::kit::declare::theme;

theme! {
    cross_account::CrossAccount,
    admin_star::AdminStar,
    admin_star_inline::AdminStarInline,
    on_user::OnUser,
    least_privilege::LeastPrivilege,
    managed_not_inline::ManagedNotInline,
    read_only_default::ReadOnlyDefault,
    permissions_mgmt::PermissionsMgmt,
    conditions::Conditions,
}
