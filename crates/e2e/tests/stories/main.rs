//! The cross-role stories: people, servers, agents and databases together, one module a theme.

mod bad_input;
mod bad_requests;
mod chaos;
mod cluster;
mod coverage;
mod database_away;
mod history;
mod life;
mod rollout;
mod security;
mod sessions;
mod steps;
mod tampered;
