//! argon2id with one lane, on processors with AVX2, in memory that is kept between hashes.

use std::arch::asm;
use std::slice::{from_mut, from_raw_parts_mut};

use argon2_rust::{Backend, Error, Params, blake2b, blake2b_long, detected_backend};
use zeroize::Zeroizing;

use crate::area::Area;
use crate::fill::{Block, Scratch, fill};

const H0_BYTES: usize = 64;
const VERSION: u32 = 0x13;
const ARGON2ID: u32 = 2;

/// H0 of RFC 9106, section 3.2, and room for the eight bytes that follow it in step 3. Kept in one place, since a move would
/// leave a copy on the stack: with H0, a PIN can be guessed at the cost of BLAKE2b.
type Seed = Zeroizing<[u8; H0_BYTES + 8]>;

pub struct OneLaneHasher {
    area: Area,
    /// How many blocks, from the first, may still hold data of a hash.
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

    /// Whether it can compute a hash: one lane, and no more memory than is kept.
    pub fn takes(&self, params: &Params) -> bool {
        params.lanes() == 1 && params.memory_blocks() as usize * size_of::<Block>() <= self.area.bytes()
    }

    /// RFC 9106, section 3.2, of the variant argon2id. Writes all of `tag`. The memory holds data of the hash until
    /// [`OneLaneHasher::wipe`], or until another hash overwrites it.
    ///
    /// # Errors
    /// A salt outside the bounds of the RFC, or a tag of another length than that of `params`.
    ///
    /// # Panics
    /// When it does not take these parameters.
    pub fn hash(&mut self, secret: &[u8], salt: &[u8], params: &Params, tag: &mut [u8]) -> Result<(), Error> {
        assert!(self.takes(params), "parameters that it takes");
        params.validate_for(secret.len(), salt.len(), 0, 0)?;
        if tag.len() != params.tag_len_bytes() {
            return Err(Error::IncorrectParameter);
        }
        let count = params.memory_blocks() as usize;
        self.wipe_from(count);
        self.dirty = count;
        let memory = &mut blocks(&mut self.area)[..count];
        let mut bytes = Zeroizing::new([0; size_of::<Block>()]);
        write_first_blocks(memory, &mut bytes, secret, salt, params)?;
        // SAFETY: `new` has seen that the processor has AVX2.
        unsafe { fill(memory, params.passes(), &mut self.scratch) };
        wipe(from_mut(&mut self.scratch.rows));
        wipe(from_mut(&mut self.scratch.feed));
        for (bytes, word) in bytes.as_chunks_mut().0.iter_mut().zip(memory[count - 1].0) {
            *bytes = word.to_le_bytes();
        }
        blake2b_long(tag, bytes.as_slice())
    }

    /// Wipes what hashes have written to the memory.
    pub fn wipe(&mut self) {
        self.wipe_from(0);
    }

    fn wipe_from(&mut self, first: usize) {
        if first < self.dirty {
            wipe(&mut blocks(&mut self.area)[first..self.dirty]);
            self.dirty = first;
        }
    }
}

impl Drop for OneLaneHasher {
    fn drop(&mut self) {
        self.wipe();
    }
}

fn blocks(area: &mut Area) -> &mut [Block] {
    let count = area.bytes() / size_of::<Block>();
    // SAFETY: the area is that long, aligned to more than a block, and was zeroed; any bits are a block.
    unsafe { from_raw_parts_mut(area.start().cast(), count) }
}

/// Steps 1 to 4 of RFC 9106, section 3.2. `bytes` is room for one block, which the caller wipes.
fn write_first_blocks(
    memory: &mut [Block],
    bytes: &mut [u8; size_of::<Block>()],
    secret: &[u8],
    salt: &[u8],
    params: &Params,
) -> Result<(), Error> {
    let mut seed = Seed::new([0; H0_BYTES + 8]);
    write_first_hash(&mut seed, secret, salt, params)?;
    for (n, block) in memory.iter_mut().take(2).enumerate() {
        seed[H0_BYTES] = n as u8;
        blake2b_long(bytes, seed.as_slice())?;
        for (word, bytes) in block.0.iter_mut().zip(bytes.as_chunks().0) {
            *word = u64::from_le_bytes(*bytes);
        }
    }
    Ok(())
}

/// H0 of RFC 9106, section 3.2, without a key and associated data.
fn write_first_hash(seed: &mut Seed, secret: &[u8], salt: &[u8], params: &Params) -> Result<(), Error> {
    let length = |bytes: usize| u32::try_from(bytes).map_err(|_| Error::IncorrectParameter);
    // Six numbers and four lengths. With less room, the vector would grow and leave a copy of the secret.
    let mut input = Zeroizing::new(Vec::with_capacity(40 + secret.len() + salt.len()));
    let tag_bytes = length(params.tag_len_bytes())?;
    for number in [params.lanes(), tag_bytes, params.memory_kib(), params.passes(), VERSION, ARGON2ID] {
        input.extend_from_slice(&number.to_le_bytes());
    }
    for part in [secret, salt, &[], &[]] {
        input.extend_from_slice(&length(part.len())?.to_le_bytes());
        input.extend_from_slice(part);
    }
    blake2b(&mut seed[..H0_BYTES], &input)
}

/// Zeroes blocks in a way that the compiler keeps, though nothing reads them afterwards.
fn wipe(blocks: &mut [Block]) {
    blocks.fill(Block::ZERO);
    // SAFETY: the assembly is empty. To the compiler it may read all memory, so the zeros must be there.
    unsafe { asm!("/* {0} */", in(reg) blocks.as_mut_ptr(), options(nostack, preserves_flags)) };
}
