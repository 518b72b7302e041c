export * from './fair-gate.js';
export * from './fair-queue.js';
export * from './fair-turns.js';
export * from './shared-slots.js';
