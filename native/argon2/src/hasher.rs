//! What a thread computes hashes with.

use argon2_rust::params::{Memory, TagLen};
use argon2_rust::{Algorithm, Argon2, Error, Hasher, Params, Version};

#[cfg(target_arch = "x86_64")]
use crate::one_lane::OneLaneHasher;

/// Keeps the memory of one hash. A hash that needs more gets memory of its own.
pub enum ThreadHasher {
    #[cfg(target_arch = "x86_64")]
    OneLane(OneLaneHasher),
    /// The library wipes the memory at the end of each hash.
    Library { hasher: Hasher, memory_kib: u32 },
}

impl ThreadHasher {
    /// Makes the memory resident. `lanes`: those of most hashes.
    pub fn reserve(memory_kib: u32, lanes: u32) -> Result<ThreadHasher, String> {
        let params = params(memory_kib, 1, lanes, 32).map_err(|error| error.to_string())?;
        #[cfg(target_arch = "x86_64")]
        if lanes == 1 && OneLaneHasher::is_best() {
            return OneLaneHasher::new(memory_kib).map(ThreadHasher::OneLane);
        }
        ThreadHasher::of_library(params).map_err(|error| error.to_string())
    }

    /// Keeps the memory of a hash with these parameters.
    pub fn of_library(params: Params) -> Result<ThreadHasher, Error> {
        let memory_kib = params.memory_kib();
        let mut hasher = argon2id(params).hasher();
        hasher.reserve()?;
        Ok(ThreadHasher::Library { hasher, memory_kib })
    }

    /// Writes all of `tag`, whose length is that of `params`.
    pub fn hash(&mut self, secret: &[u8], salt: &[u8], params: Params, tag: &mut [u8]) -> Result<(), Error> {
        match self {
            #[cfg(target_arch = "x86_64")]
            ThreadHasher::OneLane(hasher) if hasher.takes(&params) => hasher.hash(secret, salt, &params, tag),
            #[cfg(target_arch = "x86_64")]
            ThreadHasher::OneLane(hasher) => {
                // This hash overwrites nothing of the one before.
                hasher.wipe();
                argon2id(params).hash_into(secret, salt, tag)
            }
            ThreadHasher::Library { hasher, memory_kib } if params.memory_kib() <= *memory_kib => {
                hasher.set_argon2(argon2id(params));
                hasher.hash_into(secret, salt, tag)
            }
            ThreadHasher::Library { .. } => argon2id(params).hash_into(secret, salt, tag),
        }
    }

    /// Wipes what hashes have written to the kept memory.
    pub fn wipe(&mut self) {
        #[cfg(target_arch = "x86_64")]
        if let ThreadHasher::OneLane(hasher) = self {
            hasher.wipe();
        }
    }
}

fn argon2id(params: Params) -> Argon2 {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// One thread computes all lanes of a hash: parallelism comes from hashes that run at the same time.
pub fn params(memory_kib: u32, passes: u32, lanes: u32, tag_bytes: u32) -> Result<Params, Error> {
    Params::builder()
        .memory(Memory::kib(memory_kib.into()))
        .passes(passes)
        .lanes(lanes)
        .threads(1)
        .tag_len(TagLen::bytes(tag_bytes.into()))
        .build()
}
