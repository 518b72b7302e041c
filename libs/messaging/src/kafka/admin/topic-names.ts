/** The names of topics and groups in a cluster that several installations may share. */
export class TopicNames {
  /** @param prefix letters, digits, dots, underscores and dashes; may be empty */
  constructor(private readonly prefix: string) {
    if (!/^[A-Za-z0-9._-]{0,60}$/.test(prefix)) {
      throw new Error('TOPIC_PREFIX must be at most 60 letters, digits, dots, underscores and dashes');
    }
  }

  inCluster(name: string): string {
    return this.prefix + name;
  }

  onBus(name: string): string {
    return name.slice(this.prefix.length);
  }

  /** Whether a topic of the cluster belongs to this installation. */
  owns(name: string): boolean {
    return name.startsWith(this.prefix);
  }
}
