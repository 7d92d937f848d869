//! The root user: it can do everything, nothing limits it, and nobody should need it on an ordinary day.

pub(crate) mod console_sign_in;
