import fc from 'fast-check';
import {
  encodeEntryBundle,
  parseTilePath,
  partialTilesOf,
  readEntryBundle,
  tilePath,
  tilesOfGrowth,
  type TileCoordinates,
} from './index.js';

describe('tile paths', () => {
  it.each([
    [{ level: 0, index: 0, width: 256 }, 'tile/0/000'],
    [{ level: 0, index: 1_234_067, width: 256 }, 'tile/0/x001/x234/067'],
    [{ level: 2, index: 1_000, width: 1 }, 'tile/2/x001/000.p/1'],
    [{ level: 63, index: 999, width: 255 }, 'tile/63/999.p/255'],
    [{ level: 'entries', index: 273, width: 112 }, 'tile/entries/273.p/112'],
  ] as [TileCoordinates, string][])('write %j as %s', (tile, path) => {
    expect(tilePath(tile)).toBe(path);
    expect(parseTilePath(path)).toEqual(tile);
  });

  it.each([
    'tile/0/0',
    'tile/0/0000',
    'tile/00/000',
    'tile/64/000',
    'tile/-1/000',
    'tile/0/x000/000',
    'tile/0/001/000',
    'tile/0/x001/x000',
    'tile/0/000.p/0',
    'tile/0/000.p/256',
    'tile/0/000.p/01',
    'tile/0/000/',
    '/tile/0/000',
    'tile/0/000\n',
    'tile/entry/000',
    'tile/0/x999/x999/x999/x999/x999/x999/999',
  ])('refuse %j', (path) => {
    expect(parseTilePath(path)).toBeUndefined();
  });

  it('are read back for any tile', () => {
    const level = fc.oneof(fc.nat(63), fc.constant('entries' as const));
    fc.assert(
      fc.property(level, fc.nat(1e15), fc.integer({ min: 1, max: 256 }), (level, index, width) => {
        expect(parseTilePath(tilePath({ level, index, width }))).toEqual({ level, index, width });
      }),
    );
  });
});

describe('tiles of a tree', () => {
  /** How many full tiles a level has, and the width of its partial one. */
  const summary = (tiles: readonly TileCoordinates[]): Record<string, [full: number, partial: number]> => {
    const levels: Record<string, [number, number]> = {};
    for (const { level, width } of tiles) {
      const found = (levels[level] ??= [0, 0]);
      if (width === 256) found[0]++;
      else found[1] = width;
    }
    return levels;
  };

  it('are those of the example of 70,000 entries in the specification', () => {
    expect(summary(tilesOfGrowth(0, 70_000))).toEqual({ 0: [273, 112], 1: [1, 17], 2: [0, 1] });
  });

  it('are a full tile and a partial one of width 1 for 256 entries, as the specification says', () => {
    expect(summary(tilesOfGrowth(0, 256))).toEqual({ 0: [1, 0], 1: [0, 1] });
  });

  it('are written again only at the right edge when the tree grows', () => {
    expect(tilesOfGrowth(70_000, 70_001)).toEqual([{ level: 0, index: 273, width: 113 }]);
    expect(tilesOfGrowth(70_000, 70_145).map(tilePath)).toEqual(['tile/0/273', 'tile/0/274.p/1', 'tile/1/001.p/18']);
    expect(tilesOfGrowth(70_000, 70_000)).toEqual([]);
    expect(partialTilesOf(70_000).map(tilePath)).toEqual(['tile/0/273.p/112', 'tile/1/001.p/17', 'tile/2/000.p/1']);
  });
});

describe('entry bundles', () => {
  it('have a big-endian length of two bytes before each entry', () => {
    const bundle = encodeEntryBundle([Buffer.from('abc'), Buffer.alloc(0), Buffer.alloc(258, 1)]);
    expect(bundle.subarray(0, 9).toString('hex')).toBe('000361626300000102');
    expect(readEntryBundle(bundle)).toEqual({
      entries: [Buffer.from('abc'), Buffer.alloc(0), Buffer.alloc(258, 1)],
      isWhole: true,
    });
  });

  it('are read back for any entries, and a bundle that was cut is not whole', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 400 })), fc.nat(), (entries, cut) => {
        const bundle = encodeEntryBundle(entries);
        expect(readEntryBundle(bundle)).toEqual({ entries: entries.map((entry) => Buffer.from(entry)), isWhole: true });
        const short = readEntryBundle(bundle.subarray(0, cut % (bundle.length + 1)));
        expect(short.entries.every((entry, at) => entry.equals(entries[at]!))).toBe(true);
      }),
    );
    expect(readEntryBundle(Buffer.from('000361', 'hex'))).toEqual({ entries: [], isWhole: false });
  });

  it('refuse an entry above 65,535 bytes', () => {
    expect(() => encodeEntryBundle([Buffer.alloc(65_536)])).toThrow('65535 bytes');
    expect(readEntryBundle(encodeEntryBundle([Buffer.alloc(65_535)])).entries[0]).toHaveLength(65_535);
  });
});
