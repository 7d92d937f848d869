//! New administrative power, however it is granted.
