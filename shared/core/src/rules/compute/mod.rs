//! Machines and what runs on them: instances, functions, commands, and the services that thieves bill to others.

pub(crate) mod click_ops;
pub(crate) mod cloud_shell;
pub(crate) mod function_layer;
pub(crate) mod function_runtime;
pub(crate) mod hosts_reached;
pub(crate) mod instances_started;
pub(crate) mod key_pair;
pub(crate) mod mail_sending;
pub(crate) mod model_access;
pub(crate) mod quota;
pub(crate) mod serial_console;
pub(crate) mod user_data;
