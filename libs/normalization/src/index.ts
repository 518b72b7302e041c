export * from './answers.js';
export * from './caller-number.js';
export * from './exact-numbers.js';
export * from './phone-number.js';
export * from './placeholders.js';
export * from './storable-json.js';
