//! What documents mean by leaving a field out.

/// True.
pub fn yes() -> bool {
    true
}

/// One.
pub fn one() -> u32 {
    1
}
