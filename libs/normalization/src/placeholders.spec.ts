import { isPlaceholder } from './placeholders.js';

describe('a placeholder for a missing argument', () => {
  it.each([
    ...['', ' ', '-', '--', '\u2014', '.', '?', '***', '\u200b', '""', "''"],
    ...[
      'null',
      'NULL',
      'Null',
      '"null"',
      '<null>',
      '[null]',
      'none',
      'None',
      'NONE',
      'None.',
      '(none)',
      'nil',
      'undefined',
    ],
    ...[
      'unknown',
      'Unknown',
      'UNKNOWN',
      '<unknown>',
      '\uff4e\uff55\uff4c\uff4c',
      'not provided',
      'not_provided',
      'NotSpecified',
    ],
    ...['N/A', 'n/a', 'N / A', 'N.A.', 'na', 'NA', 'NaN', 'nan', 'not available', 'not applicable'],
    ...[
      'ninguno',
      'desconocido',
      'n/d',
      's/d',
      'aucun',
      'inconnue',
      'n. c.',
      'keine',
      'unbekannt',
      'k. A.',
      'keine Angabe',
    ],
    ...['${args.customer_id}', '%{args.pin}', '{{customer_id}}', '{customer_id}', '<customer_id>', '< your id >'],
  ])('is recognized in %j', (text) => expect(isPlaceholder(text)).toBe(true));

  it.each([
    ...[
      '0',
      '4829',
      '80412',
      'cust-1',
      'null-1',
      'none2',
      'nullo',
      'anna',
      'nadia',
      'Nan',
      'Na',
      'Nil',
      'kc',
      'nd',
      'sd',
      'ka',
    ],
    ...['unknown soldier', 'Nullarbor', 'default', 'test', '[80412]', '<80412>', '{80412}', 'x'.repeat(65), 'Noname'],
  ])('is not recognized in %j', (text) => expect(isPlaceholder(text)).toBe(false));
});
