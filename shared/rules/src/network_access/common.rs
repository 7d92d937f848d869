//! What the rules on reachability share.

use keepwatch_base::network::Cidr;

/// What a range stands for in a title: all of the internet, or a part of it by its own name.
pub(super) fn world(cidr: &Cidr) -> String {
    match cidr.to_string().as_str() {
        "0.0.0.0/0" => "the whole internet".to_owned(),
        "::/0" => "the whole internet (IPv6)".to_owned(),
        part => format!("{part}, a large part of the internet"),
    }
}
