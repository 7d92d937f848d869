//! Short names for long things: ids of findings, keys of the journal, fingerprints of settings.

use sha2::{Digest, Sha256};

/// Sixteen hexadecimal digits that stand for these parts: the first half of a SHA-256. Ids of findings contain it, so it
/// must never change.
pub fn short_hash(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        // The length keeps ("ab", "c") and ("a", "bc") apart.
        hash.update(part.len().to_be_bytes());
        hash.update(part.as_bytes());
    }
    let first = hash.finalize().iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    format!("{first:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_run_together_and_the_hash_never_changes() {
        assert_ne!(short_hash(&["ab", "c"]), short_hash(&["a", "bc"]));
        assert_eq!(short_hash(&["root-console-sign-in", "111122223333"]), "ff6db72c463bb195");
    }
}
