export * from './errors.js';
export * from './clock.js';
export * from './settings.js';
export * from './service.js';
export * from './phone-number.js';
export * from './tls-faults.js';
export * from './recent-ids.js';
export * from './answer-forms.js';
