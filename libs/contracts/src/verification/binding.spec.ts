import { bindingOf } from './binding.js';
import { PinChangeRequested } from '../management/management.js';
import { VerificationRequested } from './verification.js';

const FIELDS = { commandId: 'command-1', tenant: 'acme', agent: 'desk', callId: 'call-1' };

describe('the binding of a message', () => {
  it('does not depend on the order of the fields or on undefined fields', () => {
    const { commandId, ...others } = FIELDS;
    const reordered = { ...others, commandId, callerTail: undefined };
    expect(bindingOf(VerificationRequested, reordered)).toBe(bindingOf(VerificationRequested, FIELDS));
  });

  it.each(Object.keys(FIELDS))('changes with the value of %s, and without it', (name) => {
    const bindings = [FIELDS, { ...FIELDS, [name]: 'another' }, { ...FIELDS, [name]: undefined }].map((fields) =>
      bindingOf(VerificationRequested, fields),
    );
    expect(new Set(bindings).size).toBe(3);
  });

  it('covers fields that the class does not declare, and the type of the message', () => {
    const binding = bindingOf(VerificationRequested, FIELDS);
    expect(bindingOf(VerificationRequested, { ...FIELDS, attestation: 'A' })).not.toBe(binding);
    expect(bindingOf(PinChangeRequested, FIELDS)).not.toBe(binding);
  });

  it('does not cover the sealed payload and the fields that the limiter adds', () => {
    const forwarded = { ...FIELDS, sealed: 'e30.', quotas: [{ name: 'agent', left: 1 }] };
    expect(bindingOf(VerificationRequested, forwarded)).toBe(bindingOf(VerificationRequested, FIELDS));
  });
});
