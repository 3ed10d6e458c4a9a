//! The cross-role stories: people, servers, agents and databases together, one module a theme.

mod audit;
mod bad_input;
mod bad_requests;
mod chaos;
mod cluster;
mod configuration;
mod console;
mod coverage;
mod database_away;
mod expired;
mod full_disk;
mod given_certificate;
mod history;
mod hostile;
mod killed;
mod life;
mod overview;
mod passkeys;
mod policies;
mod rollout;
mod security;
mod sessions;
mod steps;
mod tampered;
mod trust;
mod watching;
