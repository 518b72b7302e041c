//! Fills the memory of argon2id with one lane (RFC 9106, section 3.4) with AVX2.
//!
//! It differs in three points from the usual code for AVX2:
//!
//! - **The next reference block is prefetched.** Which block is read next depends on the first word of the block that is
//!   being computed. The first columns give this word while three quarters of the columns are still to do; meanwhile the
//!   memory delivers the block. Where addresses do not depend on data, the prefetch is two blocks ahead.
//! - **A register holds two words of each of two rows or columns.** The step to the diagonals then stays within the halves of
//!   a register, which takes one cycle instead of six.
//! - `a + b` is added while the multiplication runs.

use std::arch::x86_64::*;

const WORDS: usize = 128;
/// Registers of 32 bytes in a block.
const REGISTERS: usize = 32;
const LINE_BYTES: usize = 64;
const SLICES: u32 = 4;
const ARGON2ID: u64 = 2;

/// 1 KiB of the memory of a hash.
#[repr(C, align(64))]
#[derive(Clone, Copy)]
pub struct Block(pub [u64; WORDS]);

impl Block {
    pub const ZERO: Block = Block([0; WORDS]);
}

/// Intermediate results of a block. They reveal it, so the caller wipes them.
#[repr(C)]
pub struct Scratch {
    /// The block after the permutation of its rows, before that of its columns.
    pub rows: Block,
    /// What is added to the permuted block (XOR).
    pub feed: Block,
}

impl Scratch {
    pub const ZERO: Scratch = Scratch { rows: Block::ZERO, feed: Block::ZERO };
}

/// Computes every block in each pass, except the first two in the first pass: these the caller has written.
///
/// # Safety
/// The processor has AVX2.
///
/// # Panics
/// When the number of blocks is not a multiple of 4, or less than 8.
#[target_feature(enable = "avx2")]
pub unsafe fn fill(memory: &mut [Block], passes: u32, scratch: &mut Scratch) {
    let shape = Shape::of(memory.len());
    for pass in 0..passes {
        for slice in 0..SLICES {
            // SAFETY: the shape is that of this memory.
            unsafe {
                if pass == 0 && slice < SLICES / 2 {
                    fill_independent(memory.as_mut_ptr(), &shape, slice, passes, scratch);
                } else if pass == 0 {
                    fill_dependent::<false>(memory.as_mut_ptr(), &shape, pass, slice, scratch);
                } else {
                    fill_dependent::<true>(memory.as_mut_ptr(), &shape, pass, slice, scratch);
                }
            }
        }
    }
}

struct Shape {
    /// Blocks of the lane, which is the whole memory.
    lane: u32,
    /// Blocks of a slice.
    segment: u32,
}

impl Shape {
    fn of(blocks: usize) -> Shape {
        assert!(blocks >= 8 && blocks.is_multiple_of(SLICES as usize), "{blocks} blocks");
        let lane = u32::try_from(blocks).expect("at most 4 TiB");
        Shape { lane, segment: lane / SLICES }
    }

    fn before(&self, at: u32) -> u32 {
        if at == 0 { self.lane - 1 } else { at - 1 }
    }

    /// The block that `word` refers to: J1 of RFC 9106, section 3.4.1.1, and its mapping, section 3.4.2.
    fn reference(&self, pass: u32, slice: u32, index: u32, word: u64) -> u32 {
        let complete = if pass == 0 { slice * self.segment } else { self.lane - self.segment };
        let area = complete + index - 1;
        let j1 = word & 0xffff_ffff;
        let distance = (u64::from(area) * ((j1 * j1) >> 32)) >> 32;
        let start = if pass == 0 || slice == SLICES - 1 { 0 } else { (slice + 1) * self.segment };
        let from_start = area - 1 - distance as u32;
        // Their sum modulo the lane. Both are less than the lane, but the sum can exceed 32 bits.
        let until_end = self.lane - start;
        if from_start < until_end { start + from_start } else { from_start - until_end }
    }
}

/// A slice of the first half of the first pass: its addresses do not depend on the secret (RFC 9106, section 3.4.1.2).
#[target_feature(enable = "avx2")]
unsafe fn fill_independent(memory: *mut Block, shape: &Shape, slice: u32, passes: u32, scratch: &mut Scratch) {
    let (mut input, mut addresses) = (Block::ZERO, Block::ZERO);
    input.0[2] = slice.into();
    input.0[3] = shape.lane.into();
    input.0[4] = passes.into();
    input.0[5] = ARGON2ID;
    let first = if slice == 0 { 2 } else { 0 };
    for index in first..shape.segment {
        let at_address = index as usize % WORDS;
        if at_address == 0 || index == first {
            input.0[6] += 1;
            let mut inner = Block::ZERO;
            // SAFETY: each is a block of its own.
            unsafe {
                compress::<false>(&Block::ZERO, &input, &mut inner, scratch);
                compress::<false>(&Block::ZERO, &inner, &mut addresses, scratch);
            }
        }
        let at = slice * shape.segment + index;
        // SAFETY: all indices are less than the lane, and a reference is never the block that is being computed.
        unsafe {
            if at_address + 2 < WORDS && index + 2 < shape.segment {
                let after_next = shape.reference(0, slice, index + 2, addresses.0[at_address + 2]);
                prefetch(memory.add(after_next as usize));
            }
            let reference = shape.reference(0, slice, index, addresses.0[at_address]);
            let previous = memory.add(shape.before(at) as usize);
            compress::<false>(previous, memory.add(reference as usize), memory.add(at as usize), scratch);
        }
    }
}

/// A slice in which the first word of each block gives the reference of the next one (RFC 9106, section 3.4.1.1).
#[target_feature(enable = "avx2")]
unsafe fn fill_dependent<const XOR: bool>(
    memory: *mut Block,
    shape: &Shape,
    pass: u32,
    slice: u32,
    scratch: &mut Scratch,
) {
    let start = slice * shape.segment;
    let mut previous = shape.before(start);
    // SAFETY: all indices are less than the lane. A reference is never the block that is being computed: `area` ends before it.
    unsafe {
        let mut reference = shape.reference(pass, slice, 0, (*memory.add(previous as usize)).0[0]);
        for index in 0..shape.segment {
            let next = memory.add((start + index) as usize);
            mix_rows::<XOR>(memory.add(previous as usize), memory.add(reference as usize), next, scratch);
            mix_columns(0, next, scratch);
            if index + 1 < shape.segment {
                reference = shape.reference(pass, slice, index + 1, (*next).0[0]);
                prefetch(memory.add(reference as usize));
            }
            for pair in 1..4 {
                mix_columns(pair, next, scratch);
            }
            previous = start + index;
        }
    }
}

/// The function G of RFC 9106, section 3.5; with `XOR`, what `next` held is added.
///
/// # Safety
/// `next` is neither `previous` nor `reference`.
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn compress<const XOR: bool>(
    previous: *const Block,
    reference: *const Block,
    next: *mut Block,
    scratch: &mut Scratch,
) {
    // SAFETY: as promised by the caller.
    unsafe {
        mix_rows::<XOR>(previous, reference, next, scratch);
        for pair in 0..4 {
            mix_columns(pair, next, scratch);
        }
    }
}

#[target_feature(enable = "avx2")]
#[inline]
unsafe fn mix_rows<const XOR: bool>(
    previous: *const Block,
    reference: *const Block,
    next: *const Block,
    scratch: &mut Scratch,
) {
    let (previous, reference, next) = (previous.cast::<__m256i>(), reference.cast::<__m256i>(), next.cast::<__m256i>());
    let rows = scratch.rows.0.as_mut_ptr().cast::<__m256i>();
    let feed = scratch.feed.0.as_mut_ptr().cast::<__m256i>();
    for start in (0..REGISTERS).step_by(8) {
        let mut x = [_mm256_setzero_si256(); 8];
        for (k, x) in x.iter_mut().enumerate() {
            let at = start + k;
            // SAFETY: `at` is less than the registers of a block, and blocks are aligned.
            unsafe {
                *x = _mm256_xor_si256(_mm256_load_si256(previous.add(at)), _mm256_load_si256(reference.add(at)));
                let fed = if XOR { _mm256_xor_si256(*x, _mm256_load_si256(next.add(at))) } else { *x };
                _mm256_store_si256(feed.add(at), fed);
            }
        }
        let y = permute([
            low_halves(x[0], x[4]),
            high_halves(x[0], x[4]),
            low_halves(x[1], x[5]),
            high_halves(x[1], x[5]),
            low_halves(x[2], x[6]),
            high_halves(x[2], x[6]),
            low_halves(x[3], x[7]),
            high_halves(x[3], x[7]),
        ]);
        for k in 0..4 {
            // SAFETY: as above.
            unsafe {
                _mm256_store_si256(rows.add(start + k), low_halves(y[2 * k], y[2 * k + 1]));
                _mm256_store_si256(rows.add(start + 4 + k), high_halves(y[2 * k], y[2 * k + 1]));
            }
        }
    }
}

/// Two columns of the new block. The first pair gives its first word.
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn mix_columns(pair: usize, next: *mut Block, scratch: &Scratch) {
    let rows = scratch.rows.0.as_ptr().cast::<__m256i>();
    let feed = scratch.feed.0.as_ptr().cast::<__m256i>();
    let mut x = [_mm256_setzero_si256(); 8];
    for (k, x) in x.iter_mut().enumerate() {
        // SAFETY: 4 * 7 + 3 is less than the registers of a block.
        *x = unsafe { _mm256_load_si256(rows.add(4 * k + pair)) };
    }
    for (k, y) in permute(x).into_iter().enumerate() {
        // SAFETY: as above.
        unsafe {
            let out = _mm256_xor_si256(y, _mm256_load_si256(feed.add(4 * k + pair)));
            _mm256_store_si256(next.cast::<__m256i>().add(4 * k + pair), out);
        }
    }
}

/// The permutation P of RFC 9106, section 3.6, of two matrices at a time: register `k` holds words `2k` and `2k + 1` of each.
#[target_feature(enable = "avx2")]
#[inline]
fn permute([a0, a1, b0, b1, c0, c1, d0, d1]: [__m256i; 8]) -> [__m256i; 8] {
    let [a0, a1, b0, b1, c0, c1, d0, d1] = quarter_rounds([a0, a1, b0, b1, c0, c1, d0, d1]);
    let (e0, e1) = (_mm256_alignr_epi8::<8>(b1, b0), _mm256_alignr_epi8::<8>(b0, b1));
    let (f0, f1) = (_mm256_alignr_epi8::<8>(d0, d1), _mm256_alignr_epi8::<8>(d1, d0));
    let [a0, a1, e0, e1, c1, c0, f0, f1] = quarter_rounds([a0, a1, e0, e1, c1, c0, f0, f1]);
    let (b0, b1) = (_mm256_alignr_epi8::<8>(e0, e1), _mm256_alignr_epi8::<8>(e1, e0));
    let (d0, d1) = (_mm256_alignr_epi8::<8>(f1, f0), _mm256_alignr_epi8::<8>(f0, f1));
    [a0, a1, b0, b1, c0, c1, d0, d1]
}

/// GB of RFC 9106, section 3.6, of four columns of each matrix.
#[target_feature(enable = "avx2")]
#[inline]
fn quarter_rounds([a0, a1, b0, b1, c0, c1, d0, d1]: [__m256i; 8]) -> [__m256i; 8] {
    let (a0, a1) = (multiply_add(a0, b0), multiply_add(a1, b1));
    let (d0, d1) = (rotate_32(_mm256_xor_si256(d0, a0)), rotate_32(_mm256_xor_si256(d1, a1)));
    let (c0, c1) = (multiply_add(c0, d0), multiply_add(c1, d1));
    let (b0, b1) = (rotate_24(_mm256_xor_si256(b0, c0)), rotate_24(_mm256_xor_si256(b1, c1)));
    let (a0, a1) = (multiply_add(a0, b0), multiply_add(a1, b1));
    let (d0, d1) = (rotate_16(_mm256_xor_si256(d0, a0)), rotate_16(_mm256_xor_si256(d1, a1)));
    let (c0, c1) = (multiply_add(c0, d0), multiply_add(c1, d1));
    let (b0, b1) = (rotate_63(_mm256_xor_si256(b0, c0)), rotate_63(_mm256_xor_si256(b1, c1)));
    [a0, a1, b0, b1, c0, c1, d0, d1]
}

/// `a + b + 2 * low(a) * low(b)`, where `low` is the lower half of a word.
#[target_feature(enable = "avx2")]
#[inline]
fn multiply_add(a: __m256i, b: __m256i) -> __m256i {
    let product = _mm256_mul_epu32(a, b);
    _mm256_add_epi64(_mm256_add_epi64(a, b), _mm256_add_epi64(product, product))
}

#[target_feature(enable = "avx2")]
#[inline]
fn rotate_32(x: __m256i) -> __m256i {
    _mm256_shuffle_epi32::<0b10_11_00_01>(x)
}

#[target_feature(enable = "avx2")]
#[inline]
fn rotate_24(x: __m256i) -> __m256i {
    let bytes = _mm_setr_epi8(3, 4, 5, 6, 7, 0, 1, 2, 11, 12, 13, 14, 15, 8, 9, 10);
    _mm256_shuffle_epi8(x, _mm256_broadcastsi128_si256(bytes))
}

#[target_feature(enable = "avx2")]
#[inline]
fn rotate_16(x: __m256i) -> __m256i {
    let bytes = _mm_setr_epi8(2, 3, 4, 5, 6, 7, 0, 1, 10, 11, 12, 13, 14, 15, 8, 9);
    _mm256_shuffle_epi8(x, _mm256_broadcastsi128_si256(bytes))
}

#[target_feature(enable = "avx2")]
#[inline]
fn rotate_63(x: __m256i) -> __m256i {
    _mm256_xor_si256(_mm256_srli_epi64::<63>(x), _mm256_add_epi64(x, x))
}

#[target_feature(enable = "avx2")]
#[inline]
fn low_halves(a: __m256i, b: __m256i) -> __m256i {
    _mm256_inserti128_si256::<1>(a, _mm256_castsi256_si128(b))
}

#[target_feature(enable = "avx2")]
#[inline]
fn high_halves(a: __m256i, b: __m256i) -> __m256i {
    _mm256_permute2x128_si256::<0x31>(a, b)
}

/// Has the processor load a block. A hint: it changes no result.
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn prefetch(block: *const Block) {
    for line in (0..size_of::<Block>()).step_by(LINE_BYTES) {
        // SAFETY: within the block.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(block.cast::<i8>().add(line)) };
    }
}

#[cfg(test)]
mod tests {
    use super::{SLICES, Shape};

    /// RFC 9106, section 3.4.2, with numbers that cannot overflow: where the reference is among all blocks that it may be.
    fn expected(lane: u128, pass: u32, slice: u128, index: u128, word: u64) -> u128 {
        let segment = lane / 4;
        let first = if pass == 0 { 0 } else { (slice + 1) * segment % lane };
        // Complete segments, and the current one but for the block before this.
        let complete = if pass == 0 { slice * segment } else { lane - segment };
        let count = complete + index - 1;
        let x = (u128::from(word as u32) * u128::from(word as u32)) >> 32;
        (first + count - 1 - ((count * x) >> 32)) % lane
    }

    #[test]
    fn references_are_those_of_the_rfc_for_every_size() {
        // The last is 4 TiB, the most that 32 bits can name.
        for lane in [8, 12, 512, 19_456, 1 << 20, 1 << 31, u32::MAX - 3] {
            let shape = Shape::of(lane as usize);
            for pass in 0..3 {
                for slice in 0..SLICES {
                    let first = if pass == 0 && slice == 0 { 2 } else { 0 };
                    for index in [first, first + 1, shape.segment / 2, shape.segment - 1] {
                        if index < first || index >= shape.segment {
                            continue;
                        }
                        for word in [0, 1, 0xffff, 0x1_0000, 0x8000_0000, 0xffff_ffff, u64::MAX, 0x0123_4567_89ab_cdef]
                        {
                            let at = expected(lane.into(), pass, slice.into(), index.into(), word);
                            let actual = shape.reference(pass, slice, index, word);
                            assert_eq!(u128::from(actual), at, "{lane} blocks, {pass}/{slice}/{index}, {word:x}");
                        }
                    }
                }
            }
        }
    }
}
