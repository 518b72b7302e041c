const { readFileSync } = require('node:fs');
const { availableParallelism } = require('node:os');

/**
 * How many processors the process may use: those of its affinity, and no more than the quota of its control group, which is how
 * containers limit processors. Node 20 does not know the quota. Rounded up, at least 1.
 * @param cores the processors of the affinity
 * @param read returns the text of a file, or throws
 */
exports.allowedProcessors = (cores = availableParallelism(), read = (path) => readFileSync(path, 'utf8')) => {
  const text = (path) => {
    try {
      return read(path).trim();
    } catch {
      return '';
    }
  };
  const own = /^0::(\/.*)$/m.exec(text('/proc/self/cgroup'))?.[1] ?? '/';
  // Version 2 has one file: quota and period in microseconds. Each parent limits its children.
  const folders = own.split('/').map((_, depth, names) => `/sys/fs/cgroup${names.slice(0, depth + 1).join('/')}`);
  const limits = folders.map((folder) => text(`${folder}/cpu.max`).split(' '));
  const version1 = '/sys/fs/cgroup/cpu/cpu.cfs_';
  limits.push([text(`${version1}quota_us`), text(`${version1}period_us`)]);
  const quotas = limits.map(([quota, period]) => Number(quota) / Number(period)).filter((processors) => processors > 0);
  return Math.max(1, Math.ceil(Math.min(cores, ...quotas)));
};
