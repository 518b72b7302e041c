import { refundOf } from './limit-refund.js';
import { OTHER, PIN, TestBed } from './test-bed.js';

describe('what a guess has spent of the limits', () => {
  it('is given back when no place was left for its hash, and not when it was compared', async () => {
    const full = await TestBed.open(0);
    const held = [1, 2].map(() => full.vault.reserve({ tenant: 'acme', caller: 'c' }));
    const command = await full.command(PIN);
    expect(refundOf(command, await full.verify.execute(command))).toMatchObject({
      message: { commandId: command.commandId, callerKey: command.callerKey },
    });
    for (const slot of held) slot?.release();
    expect(refundOf(command, await full.verify.execute(command))).toBeUndefined();
  });

  it('is not given back for a new PIN that breaks a rule', async () => {
    const { command, verify } = await TestBed.open();
    const weak = await command(OTHER, {}, '1234');
    const decided = await verify.execute(weak);
    expect(decided).toMatchObject({ outcome: 'unavailable', violations: [{ field: 'newPin' }] });
    expect(refundOf(weak, decided)).toBeUndefined();
  });

  it('is not given back for another guess under the id of one that was compared', async () => {
    const { command, verify } = await TestBed.open();
    const first = await command(OTHER);
    await verify.execute(first);
    const other = await command(PIN, { commandId: first.commandId, fingerprint: '0'.repeat(64) });
    expect(refundOf(other, await verify.execute(other))).toBeUndefined();
  });
});
