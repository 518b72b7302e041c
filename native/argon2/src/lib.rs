//! argon2id (RFC 9106) on threads of its own. Each thread keeps the memory of one hash: mapping 19 MiB anew for every hash
//! costs 265 page faults, a fifth of the time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;

use argon2_rust::params::{Memory, TagLen};
use argon2_rust::{Algorithm, Argon2, Hasher, Params, Version, detected_backend};
use napi::bindgen_prelude::{Buffer, Env, Error, Object, Result};
use napi_derive::napi;
use zeroize::Zeroizing;

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
    /// `None` after `close`.
    jobs: Option<mpsc::Sender<Job>>,
}

#[napi]
impl HashThreads {
    /// Reserves the memory at once, so too little memory fails the start and not a request.
    ///
    /// `memory_kib`: what each thread keeps; a hash that needs more maps it for itself.
    /// `niceness`: added priority of the threads on Linux, 0 to 19; a higher number is a lower priority.
    #[napi(constructor)]
    pub fn new(threads: u32, memory_kib: u32, niceness: i32) -> Result<Self> {
        let kept = argon2id(params(memory_kib, 1, 1, 32)?);
        let (jobs, queue) = mpsc::channel();
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..threads {
            let mut hasher = kept.hasher();
            hasher.reserve().map_err(reason)?;
            let queue = Arc::clone(&queue);
            thread::Builder::new().name("argon2".into()).spawn(move || {
                give_way(niceness);
                while let Some(job) = next(&queue) {
                    run(job, &mut hasher, memory_kib);
                }
            })?;
        }
        Ok(Self { jobs: Some(jobs) })
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
        let jobs = self.jobs.as_ref().ok_or_else(|| Error::from_reason("the threads are closed"))?;
        let (deferred, promise) = env.create_deferred()?;
        let done = Box::new(move |tag: Tag| match tag {
            Ok(tag) => deferred.resolve(move |_| Ok(Buffer::from(tag))),
            Err(message) => deferred.reject(Error::from_reason(message)),
        });
        jobs.send(Job { secret, salt: salt.to_vec(), params, done }).map_err(reason)?;
        Ok(promise)
    }

    /// Ends the threads after the hashes that were requested.
    #[napi]
    pub fn close(&mut self) {
        self.jobs = None;
    }
}

/// `None` when the threads are closed.
fn next(queue: &Mutex<mpsc::Receiver<Job>>) -> Option<Job> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

fn run(job: Job, hasher: &mut Hasher, kept_kib: u32) {
    let Job { secret, salt, params, done } = job;
    let argon2 = argon2id(params);
    let mut tag = vec![0; params.tag_len_bytes()];
    // A panic that ended the thread would leave its callers without an answer.
    let hashed = catch_unwind(AssertUnwindSafe(|| {
        if params.memory_kib() > kept_kib {
            return argon2.hash_into(&secret, &salt, &mut tag);
        }
        hasher.set_argon2(argon2);
        hasher.hash_into(&secret, &salt, &mut tag)
    }));
    done(match hashed {
        Ok(Ok(())) => Ok(tag),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("the hash failed".into()),
    });
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
