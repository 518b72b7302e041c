export * from './distinct-members.js';
