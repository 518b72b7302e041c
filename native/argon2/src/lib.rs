//! argon2id (RFC 9106) on threads of its own. Each thread keeps the memory of one hash: mapping 19 MiB anew for every hash
//! costs 265 page faults, a fifth of the time.

#[cfg(target_arch = "x86_64")]
mod area;
#[cfg(target_arch = "x86_64")]
mod fill;
mod hasher;
#[cfg(target_arch = "x86_64")]
mod one_lane;
mod queue;
// One of them maps memory as only Linux does.
#[cfg(all(test, target_arch = "x86_64", target_os = "linux"))]
mod tests;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use argon2_rust::{Params, detected_backend};
use napi::bindgen_prelude::{Buffer, Env, Error, Object, Result};
use napi_derive::napi;
use zeroize::Zeroizing;

use hasher::{ThreadHasher, params};
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
    /// `lanes`: those of most hashes. A hash with others is computed as well, and may map memory for itself.
    /// `niceness`: added priority of the threads on Linux, 0 to 19; a higher number is a lower priority.
    #[napi(constructor)]
    pub fn new(threads: u32, memory_kib: u32, lanes: u32, niceness: i32) -> Result<Self> {
        if threads == 0 {
            return Err(Error::from_reason("hashes need at least one thread"));
        }
        // An error drops it, which ends the threads that have started.
        let started = Self { jobs: Arc::new(Queue::new()) };
        for _ in 0..threads {
            let mut hasher = ThreadHasher::reserve(memory_kib, lanes).map_err(Error::from_reason)?;
            let jobs = Arc::clone(&started.jobs);
            thread::Builder::new().name("argon2".into()).spawn(move || {
                lower_priority(niceness);
                work(&jobs, &mut hasher);
            })?;
        }
        Ok(started)
    }

    /// The instructions that hashes use, for example `avx2`.
    #[napi(getter)]
    pub fn instructions(&self) -> String {
        format!("{:?}", detected_backend()).to_lowercase()
    }

    /// Resolves with the tag of `length` bytes. Throws for parameters outside the bounds of RFC 9106, and rejects for such a salt
    /// and after `close`.
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
        let params =
            params(memory_kib, passes, lanes, length).map_err(|error| Error::from_reason(error.to_string()))?;
        let (deferred, promise) = env.create_deferred()?;
        let done = Box::new(move |tag: Tag| match tag {
            Ok(tag) => deferred.resolve(move |_| Ok(Buffer::from(tag))),
            Err(message) => deferred.reject(Error::from_reason(message)),
        });
        let job = Job { secret, salt: salt.to_vec(), params, done };
        if let Err(refused) = self.jobs.add(job) {
            // A promise that is never settled would keep the process from ending.
            (refused.done)(Err("the threads are closed".into()));
        }
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
fn work(jobs: &Queue<Job>, hasher: &mut ThreadHasher) {
    loop {
        let waiting = jobs.take_waiting();
        if waiting.is_none() {
            hasher.wipe();
        }
        match waiting.or_else(|| jobs.take()) {
            Some(job) => run(job, hasher),
            None => return,
        }
    }
}

fn run(job: Job, hasher: &mut ThreadHasher) {
    let Job { secret, salt, params, done } = job;
    let mut tag = vec![0; params.tag_len_bytes()];
    // A panic that ended the thread would leave its callers without an answer.
    let hashed = catch_unwind(AssertUnwindSafe(|| hasher.hash(&secret, &salt, params, &mut tag)));
    done(match hashed {
        Ok(Ok(())) => Ok(tag),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("the hash failed".into()),
    });
}

/// On Linux each thread has a priority of its own. Never raises it, which needs a privilege.
#[cfg(target_os = "linux")]
fn lower_priority(niceness: i32) {
    // SAFETY: both calls take plain numbers; 0 is the calling thread. A refusal leaves the priority as it was.
    unsafe {
        if libc::getpriority(libc::PRIO_PROCESS, 0) < niceness {
            libc::setpriority(libc::PRIO_PROCESS, 0, niceness);
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn lower_priority(_niceness: i32) {}
