//! somascope: the cockpit of a SOMA data submitter. `ARCHITECTURE.md` is the map.

pub mod api;
pub mod app;
pub mod chain;
pub mod cli;
pub mod config;
pub mod devnet;
pub mod engine;
pub mod export;
pub mod model;
pub mod primitives;
pub mod service;
pub mod storage;
pub mod terminal;
pub mod views;
pub mod wallet;
