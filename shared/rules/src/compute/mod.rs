//! Machines and what runs on them: instances, functions, commands, and the services that thieves bill to others.

mod common;

use crate::kit::declare::theme;

theme! {
    instances_started::InstancesStarted,
    user_data::UserData,
    user_data_read::UserDataRead,
    function_layer::FunctionLayer,
    code_replaced::CodeReplaced,
    function_runtime::FunctionRuntime,
    hosts_reached::HostsReached,
    serial_console::SerialConsole,
    cloud_shell::CloudShell,
    key_pair::KeyPair,
    model_access::ModelAccess,
    mail_sending::MailSending,
    quota::Quota,
    click_ops::ClickOps,
}
