/**
 * Orders the files of a run. First those that wait for Kafka's consumer groups, then those that start processes, last the
 * unit tests, which are short: so no worker still has a long file to run when the others have finished.
 */
import Sequencer from '@jest/test-sequencer';

const RANKS = [/\/kafka\/.*\.int-spec\.ts$/, /\.e2e-spec\.ts$/, /\.int-spec\.ts$/, /\.spec\.ts$/];

export default class LongFilesFirst extends Sequencer {
  /** Within a rank jest's own order remains: longest first where durations are known, else largest first. */
  sort(tests) {
    const rank = ({ path }) => RANKS.findIndex((pattern) => pattern.test(path));
    return super.sort(tests).sort((a, b) => rank(a) - rank(b));
  }
}
