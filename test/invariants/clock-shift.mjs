/** Loaded into a service with `node --import`: its clock is off by CLOCK_SHIFT_MS, everybody else's is right. */
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
