//! Credentials that leaked or were stolen.
