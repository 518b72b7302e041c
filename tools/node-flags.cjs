/**
 * Flags with which Node starts a service. V8 reads them once, so `process.cjs` would set them too late.
 *
 * Garbage is collected in the thread that makes it. V8 would do so in four threads, which have to be woken and wait for each
 * other: with eight services on two cores, a verification took 5 % more processor time.
 */
module.exports = ['--single-threaded-gc'];
