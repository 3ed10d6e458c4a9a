//! Temporary.
mod stories {
    pub mod chaos;
}
