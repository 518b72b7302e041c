//! argon2id (RFC 9106) on threads of its own. Each thread keeps the memory of one hash: mapping 19 MiB anew for every hash
//! costs 265 page faults, a fifth of the time.

#[cfg(target_arch = "x86_64")]
mod area;
#[cfg(target_arch = "x86_64")]
mod fill;
#[cfg(target_arch = "x86_64")]
mod kept;
mod queue;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use argon2_rust::params::{Memory, TagLen};
use argon2_rust::{Algorithm, Argon2, Hasher, Params, Version, detected_backend};
use napi::bindgen_prelude::{Buffer, Env, Error, Object, Result};
use napi_derive::napi;
use zeroize::Zeroizing;

#[cfg(target_arch = "x86_64")]
use kept::KeptMemory;
use queue::Queue;

type Tag = std::result::Result<Vec<u8>, String>;

struct Job {
    secret: Zeroizing<Vec<u8>>,
    salt: Vec<u8>,
    params: Params,
    done: Box<dyn FnOnce(Tag) + Send>,
}

/// A fixed number of threads that take hashes in the order of their requests.
#[napi]
pub struct HashThreads {
    jobs: Arc<Queue<Job>>,
}

#[napi]
impl HashThreads {
    /// Reserves the memory at once, so too little memory fails the start and not a request.
    ///
    /// `memory_kib`: what each thread keeps; a hash that needs more maps it for itself.
    /// `niceness`: added priority of the threads on Linux, 0 to 19; a higher number is a lower priority.
    #[napi(constructor)]
    pub fn new(threads: u32, memory_kib: u32, niceness: i32) -> Result<Self> {
        // An error drops it, which ends the threads that have started.
        let started = Self { jobs: Arc::new(Queue::new()) };
        for _ in 0..threads {
            let mut kept = Kept::reserve(memory_kib)?;
            let jobs = Arc::clone(&started.jobs);
            thread::Builder::new().name("argon2".into()).spawn(move || {
                give_way(niceness);
                work(&jobs, &mut kept);
            })?;
        }
        Ok(started)
    }

    /// The instructions that hashes use, for example `avx2`.
    #[napi(getter)]
    pub fn instructions(&self) -> String {
        format!("{:?}", detected_backend()).to_lowercase()
    }

    /// Resolves with the tag of `length` bytes. Throws for parameters or a salt outside of RFC 9106.
    #[napi(ts_return_type = "Promise<Buffer>")]
    pub fn derive<'env>(
        &self,
        env: &'env Env,
        secret: String,
        salt: &[u8],
        memory_kib: u32,
        passes: u32,
        lanes: u32,
        length: u32,
    ) -> Result<Object<'env>> {
        let secret = Zeroizing::new(secret.into_bytes());
        let params = params(memory_kib, passes, lanes, length)?;
        let (deferred, promise) = env.create_deferred()?;
        let done = Box::new(move |tag: Tag| match tag {
            Ok(tag) => deferred.resolve(move |_| Ok(Buffer::from(tag))),
            Err(message) => deferred.reject(Error::from_reason(message)),
        });
        let job = Job { secret, salt: salt.to_vec(), params, done };
        self.jobs.add(job).map_err(|_| Error::from_reason("the threads are closed"))?;
        Ok(promise)
    }

    /// Ends the threads after the hashes that were requested.
    #[napi]
    pub fn close(&mut self) {
        self.jobs.close();
    }
}

impl Drop for HashThreads {
    fn drop(&mut self) {
        self.jobs.close();
    }
}

/// Takes hashes until the queue is closed. A hash that waits overwrites the memory of the one before; it is wiped when none does.
fn work(jobs: &Queue<Job>, kept: &mut Kept) {
    loop {
        let waiting = jobs.take_waiting();
        if waiting.is_none() {
            kept.wipe();
        }
        match waiting.or_else(|| jobs.take()) {
            Some(job) => run(job, kept),
            None => return,
        }
    }
}

fn run(job: Job, kept: &mut Kept) {
    let Job { secret, salt, params, done } = job;
    let mut tag = vec![0; params.tag_len_bytes()];
    // A panic that ended the thread would leave its callers without an answer.
    let hashed = catch_unwind(AssertUnwindSafe(|| kept.hash(&secret, &salt, params, &mut tag)));
    done(match hashed {
        Ok(Ok(())) => Ok(tag),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("the hash failed".into()),
    });
}

/// What a thread keeps between hashes.
enum Kept {
    #[cfg(target_arch = "x86_64")]
    Own(KeptMemory),
    /// Of the library, which wipes it after each hash, and its size in KiB.
    OfLibrary(Hasher, u32),
}

impl Kept {
    fn reserve(memory_kib: u32) -> Result<Kept> {
        let params = params(memory_kib, 1, 1, 32)?;
        #[cfg(target_arch = "x86_64")]
        if let Some(own) = KeptMemory::reserve(params.memory_kib()) {
            return own.map(Kept::Own).map_err(reason);
        }
        let mut hasher = argon2id(params).hasher();
        hasher.reserve().map_err(reason)?;
        Ok(Kept::OfLibrary(hasher, memory_kib))
    }

    /// A hash that does not fit gets memory for itself, which the library wipes.
    fn hash(
        &mut self,
        secret: &[u8],
        salt: &[u8],
        params: Params,
        tag: &mut [u8],
    ) -> std::result::Result<(), argon2_rust::Error> {
        match self {
            #[cfg(target_arch = "x86_64")]
            Kept::Own(memory) if memory.takes(&params) => memory.hash(secret, salt, &params, tag),
            #[cfg(target_arch = "x86_64")]
            Kept::Own(memory) => {
                // This hash overwrites nothing of the one before.
                memory.wipe();
                argon2id(params).hash_into(secret, salt, tag)
            }
            Kept::OfLibrary(hasher, kept_kib) if params.memory_kib() <= *kept_kib => {
                hasher.set_argon2(argon2id(params));
                hasher.hash_into(secret, salt, tag)
            }
            Kept::OfLibrary(..) => argon2id(params).hash_into(secret, salt, tag),
        }
    }

    fn wipe(&mut self) {
        #[cfg(target_arch = "x86_64")]
        if let Kept::Own(memory) = self {
            memory.wipe();
        }
    }
}

fn argon2id(params: Params) -> Argon2 {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// One thread computes all lanes of a hash: parallelism comes from hashes that run at the same time.
fn params(memory_kib: u32, passes: u32, lanes: u32, length: u32) -> Result<Params> {
    Params::builder()
        .memory(Memory::kib(memory_kib.into()))
        .passes(passes)
        .lanes(lanes)
        .threads(1)
        .tag_len(TagLen::bytes(length.into()))
        .build()
        .map_err(reason)
}

fn reason(error: impl ToString) -> Error {
    Error::from_reason(error.to_string())
}

/// On Linux each thread has a priority of its own. Never raises it, which needs a privilege.
#[cfg(target_os = "linux")]
fn give_way(niceness: i32) {
    // SAFETY: both calls take plain numbers; 0 is the calling thread. A refusal leaves the priority as it was.
    unsafe {
        if libc::getpriority(libc::PRIO_PROCESS, 0) < niceness {
            libc::setpriority(libc::PRIO_PROCESS, 0, niceness);
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn give_way(_niceness: i32) {}
