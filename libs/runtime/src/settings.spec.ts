import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { IsInt, IsString } from 'class-validator';
import { Meaning } from '@countersign/contracts';
import { allSettings, loadSettings, parseSetting, settingFaultsOf } from './settings.js';

class Settings {
  @Meaning('name of the person in the greeting')
  @IsString()
  NAME!: string;
  @IsInt() PORT: number = 1;
}

describe('a setting', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'countersign-settings-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const fileWith = (content: string): string => {
    const file = join(folder, 'value');
    writeFileSync(file, content);
    return file;
  };

  it('is read from a file without its byte order mark and its line end', () => {
    const settings = loadSettings(Settings, { NAME_FILE: fileWith('\ufeffAda\r\n'), PORT_FILE: '' });
    expect(settings.NAME).toBe('Ada');
  });

  it('of type number is read from a file with a byte order mark', () => {
    expect(loadSettings(Settings, { NAME: 'Ada', PORT_FILE: fileWith('\ufeff3000\n') }).PORT).toBe(3000);
  });

  it('in the environment takes precedence over one in a file', () => {
    expect(loadSettings(Settings, { NAME: 'Ada', NAME_FILE: fileWith('Bob') }).NAME).toBe('Ada');
  });

  it('that is missing or invalid stops the start with an error that contains its name and never its value', () => {
    expect(() => loadSettings(Settings, { PORT: 'many-83729164' })).toThrow(/NAME must be a string/);
    expect(() => loadSettings(Settings, { NAME_FILE: join(folder, 'nothing') })).toThrow(/NAME_FILE cannot be read/);
    try {
      loadSettings(Settings, { NAME: 'Ada', PORT: 'many-83729164' });
    } catch (error) {
      expect(String(error)).not.toContain('83729164');
    }
    expect.assertions(3);
  });

  it('that is missing or invalid is reported with its meaning', () => {
    expect(() => loadSettings(Settings, {})).toThrow('NAME must be a string (name of the person in the greeting)');
    expect(() => loadSettings(Settings, { NAME_FILE: join(folder, 'nothing') })).toThrow(
      /NAME: the file named by NAME_FILE cannot be read \(ENOENT\) \(name of the person in the greeting\)/,
    );
  });

  it('is reported together with every other wrong setting', async () => {
    const fault = (name: string): Promise<never> =>
      parseSetting(name, () => Promise.reject(new Error('must be another')));
    const read = allSettings([fault('A'), parseSetting('B', () => 1), fault('C')]);
    const error: unknown = await read.catch((thrown: unknown) => thrown);
    expect(settingFaultsOf(error)).toEqual(['A must be another', 'C must be another']);
    expect(await allSettings([parseSetting('A', () => 'a'), parseSetting('B', () => 1)])).toEqual(['a', 1]);
  });
});
