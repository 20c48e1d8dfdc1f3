//! The command as its users meet it: every test here runs the real binary.

#![cfg(test)]

mod bad_input;
mod erase;
mod examples;
mod lookalike;
mod memory;
mod next_items;
mod notebooks;
mod oracles;
mod packs;
mod pages;
mod privacy;
mod prompt;
mod query;
mod readme;
mod sample;
mod shipped;
mod stores;
mod support;
mod tariff;
mod tools;
