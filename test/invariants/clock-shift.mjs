/** Loaded into a service with `node --import`: shifts the clock of this process alone by CLOCK_SHIFT_MS. */
const shift = Number(process.env.CLOCK_SHIFT_MS ?? 0);
const Right = Date;

globalThis.Date = class Date extends Right {
  constructor(...args) {
    if (args.length === 0) super(Right.now() + shift);
    else super(...args);
  }

  static now() {
    return Right.now() + shift;
  }
};
