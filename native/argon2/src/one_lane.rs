//! The memory of one hash, kept between hashes.

use std::arch::asm;

use argon2_rust::{Backend, Error, Params, blake2b, blake2b_long, detected_backend};
use zeroize::Zeroizing;

use crate::area::Area;
use crate::fill::{Block, Scratch, fill};

const H0_BYTES: usize = 64;
const VERSION: u32 = 0x13;
const ARGON2ID: u32 = 2;

/// argon2id with one lane, in memory of its own.
pub struct OneLaneHasher {
    /// Blocks only.
    area: Area,
    /// Blocks that a hash has written and nothing has wiped since.
    dirty: usize,
    scratch: Box<Scratch>,
}

impl OneLaneHasher {
    /// Whether the library has no better code for this processor, as it has for AVX-512.
    pub fn is_best() -> bool {
        detected_backend() == Backend::Avx2
    }

    /// Makes the memory resident.
    ///
    /// # Panics
    /// Without AVX2.
    pub fn new(memory_kib: u32) -> Result<OneLaneHasher, String> {
        assert!(is_x86_feature_detected!("avx2"), "a processor with AVX2");
        let area = Area::zeroed(memory_kib as usize * size_of::<Block>())?;
        Ok(OneLaneHasher { area, dirty: 0, scratch: Box::new(Scratch::ZERO) })
    }

    /// Whether a hash fits. Several lanes are left to the library.
    pub fn takes(&self, params: &Params) -> bool {
        params.lanes() == 1 && params.memory_blocks() as usize * size_of::<Block>() <= self.area.bytes()
    }

    /// RFC 9106, section 3.2. What the hash leaves in the memory stays until [`OneLaneHasher::wipe`] or the next hash.
    pub fn hash(&mut self, secret: &[u8], salt: &[u8], params: &Params, tag: &mut [u8]) -> Result<(), Error> {
        // The bounds that the library has for a salt, among others.
        params.validate_for(secret.len(), salt.len(), 0, 0)?;
        let count = params.memory_blocks() as usize;
        self.wipe_from(count);
        self.dirty = count;
        // SAFETY: `takes` said that they fit, and nothing else refers to them.
        let blocks = unsafe { std::slice::from_raw_parts_mut(self.blocks(), count) };
        let mut seed = first_hash(secret, salt, params, tag.len())?;
        let mut bytes = Zeroizing::new([0; size_of::<Block>()]);
        for (n, block) in blocks.iter_mut().take(2).enumerate() {
            seed[H0_BYTES] = n as u8;
            blake2b_long(bytes.as_mut_slice(), seed.as_slice())?;
            for (word, bytes) in block.0.iter_mut().zip(bytes.as_chunks().0) {
                *word = u64::from_le_bytes(*bytes);
            }
        }
        // SAFETY: `new` has seen that the processor has AVX2.
        unsafe { fill(blocks, params.passes(), &mut self.scratch) };
        wipe(&mut *self.scratch, 1);
        for (bytes, word) in bytes.as_chunks_mut().0.iter_mut().zip(blocks[count - 1].0) {
            *bytes = word.to_le_bytes();
        }
        blake2b_long(tag, bytes.as_slice())
    }

    /// Leaves nothing of any hash.
    pub fn wipe(&mut self) {
        self.wipe_from(0);
    }

    fn blocks(&self) -> *mut Block {
        self.area.start().cast()
    }

    fn wipe_from(&mut self, first: usize) {
        if self.dirty <= first {
            return;
        }
        // SAFETY: at most all blocks were written.
        wipe(unsafe { self.blocks().add(first) }, self.dirty - first);
        self.dirty = first;
    }
}

impl Drop for OneLaneHasher {
    fn drop(&mut self) {
        self.wipe();
    }
}

/// H0 of RFC 9106, section 3.2, and room for the eight bytes that follow it in step 3.
fn first_hash(secret: &[u8], salt: &[u8], params: &Params, tag_bytes: usize) -> Result<Zeroizing<[u8; 72]>, Error> {
    let length = |bytes: usize| u32::try_from(bytes).map_err(|_| Error::IncorrectParameter);
    let mut input = Zeroizing::new(Vec::with_capacity(40 + secret.len() + salt.len()));
    for number in [1, length(tag_bytes)?, params.memory_kib(), params.passes(), VERSION, ARGON2ID] {
        input.extend_from_slice(&number.to_le_bytes());
    }
    // Without a key and associated data.
    for part in [secret, salt, &[], &[]] {
        input.extend_from_slice(&length(part.len())?.to_le_bytes());
        input.extend_from_slice(part);
    }
    let mut seed = Zeroizing::new([0; H0_BYTES + 8]);
    blake2b(&mut seed[..H0_BYTES], &input)?;
    Ok(seed)
}

/// Zeroes `count` values in a way that the compiler keeps.
fn wipe<T>(first: *mut T, count: usize) {
    // SAFETY: callers pass values of plain numbers that they own. The assembly, which is empty, may read all memory.
    unsafe {
        first.write_bytes(0, count);
        asm!("/* {0} */", in(reg) first, options(nostack, preserves_flags));
    }
}
