//! Compares the code of this module with that of the crate, and looks for accesses outside of the memory of a hash.
//!
//! A longer run, with other values: `HASHES=100000 SEED=7 cargo test -- --nocapture`.

use argon2_rust::{Algorithm, Argon2, Params, Version};

use crate::fill::{Block, Scratch, fill};
use crate::hasher::{ThreadHasher, params};
use crate::one_lane::OneLaneHasher;

const KEPT_KIB: u32 = 2048;

fn number_of(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |value| value.parse().expect(variable))
}

/// SplitMix64: the same values for the same seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn between(&mut self, least: u32, most: u32) -> u32 {
        least + (self.next() % u64::from(most - least + 1)) as u32
    }

    fn bytes(&mut self, least: u32, most: u32) -> Vec<u8> {
        (0..self.between(least, most)).map(|_| self.next() as u8).collect()
    }

    /// Half of them small, since the edges of slices are there. Some need more than is kept.
    fn params(&mut self) -> Params {
        let lanes = if self.next().is_multiple_of(4) { self.between(2, 4) } else { 1 };
        let most = if self.next().is_multiple_of(2) { 64 } else { KEPT_KIB + 600 };
        params(self.between(8 * lanes, most), self.between(1, 4), lanes, self.between(4, 200))
            .expect("within the bounds")
    }
}

#[test]
fn hashes_equal_those_of_the_crate() {
    let (hashes, seed) = (number_of("HASHES", 500), number_of("SEED", 1));
    println!("{hashes} hashes, seed {seed}");
    let mut random = Random(seed);
    // The second runs on processors without AVX2 and on those with AVX-512, and where hashes have several lanes.
    let mut hashers = [
        ThreadHasher::OneLane(OneLaneHasher::new(KEPT_KIB).unwrap()),
        ThreadHasher::of_library(params(KEPT_KIB, 1, 1, 32).unwrap()).unwrap(),
    ];
    for n in 0..hashes {
        let params = random.params();
        let (secret, salt) = (random.bytes(0, 300), random.bytes(8, 64));
        let mut expected = vec![0; params.tag_len_bytes()];
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_into(&secret, &salt, &mut expected).unwrap();
        for hasher in &mut hashers {
            if random.next().is_multiple_of(2) {
                hasher.wipe();
            }
            let mut tag = vec![0; expected.len()];
            hasher.hash(&secret, &salt, params, &mut tag).unwrap();
            assert_eq!(tag, expected, "hash {n} of seed {seed}: {params:?}, {secret:?}, {salt:?}");
        }
    }
}

#[test]
fn a_salt_and_a_tag_out_of_bounds_are_errors() {
    let mut hasher = OneLaneHasher::new(64).unwrap();
    let params = params(64, 1, 1, 32).unwrap();
    assert!(hasher.hash(b"secret", &[1; 7], &params, &mut [0; 32]).is_err());
    assert!(hasher.hash(b"secret", &[1; 8], &params, &mut [0; 31]).is_err());
    assert!(hasher.hash(b"secret", &[1; 8], &params, &mut [0; 32]).is_ok());
}

#[test]
#[should_panic(expected = "parameters that it takes")]
fn a_hash_that_does_not_fit_is_not_written() {
    // An area ends at a huge page.
    let mut hasher = OneLaneHasher::new(64).unwrap();
    let _ = hasher.hash(b"secret", &[1; 8], &params(2052, 1, 1, 32).unwrap(), &mut [0; 32]);
}

/// Blocks between two pages that end the process when they are read or written.
struct Guarded {
    base: *mut libc::c_void,
    length: usize,
    blocks: usize,
}

const PAGE: usize = 4096;

impl Guarded {
    fn new(blocks: usize) -> Guarded {
        let length = blocks * size_of::<Block>() + 2 * PAGE;
        // SAFETY: a new mapping, and a part of it.
        unsafe {
            let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            let base = libc::mmap(std::ptr::null_mut(), length, libc::PROT_NONE, kind, -1, 0);
            assert_ne!(base, libc::MAP_FAILED);
            let access = libc::PROT_READ | libc::PROT_WRITE;
            assert_eq!(libc::mprotect(base.byte_add(PAGE), length - 2 * PAGE, access), 0);
            Guarded { base, length, blocks }
        }
    }

    fn memory(&mut self) -> &mut [Block] {
        // SAFETY: mapped for this, zeroed by the system, and borrowed from `self`.
        unsafe { std::slice::from_raw_parts_mut(self.base.byte_add(PAGE).cast(), self.blocks) }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // SAFETY: mapped with this length.
        unsafe { libc::munmap(self.base, self.length) };
    }
}

#[test]
fn blocks_are_computed_without_an_access_outside_of_the_memory() {
    let mut random = Random(number_of("SEED", 1));
    for blocks in (8..600).step_by(4) {
        let mut guarded = Guarded::new(blocks);
        for block in guarded.memory().iter_mut().take(2) {
            block.0.fill_with(|| random.next());
        }
        let mut elsewhere = guarded.memory().to_vec();
        let passes = random.between(1, 3);
        let mut scratch = Scratch::ZERO;
        assert!(is_x86_feature_detected!("avx2"));
        // SAFETY: the processor has AVX2.
        unsafe { fill(guarded.memory(), passes, &mut scratch) };
        // SAFETY: the processor has AVX2.
        unsafe { fill(&mut elsewhere, passes, &mut scratch) };
        assert!(guarded.memory().iter().zip(&elsewhere).all(|(a, b)| a.0 == b.0), "{blocks} blocks, {passes} passes");
    }
}
