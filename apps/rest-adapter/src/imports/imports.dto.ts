import { ANSWER_KEYWORDS, IsPin, IsSubjectIdField, Optional, Described, Field } from '@countersign/api';
import {
  IMPORT_ID_PATTERN,
  IMPORT_RESULTS,
  type ImportResult,
  type SubjectRow,
  type Violation,
} from '@countersign/contracts';
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsBoolean, IsIn, IsObject, Matches } from 'class-validator';
import { SubjectBody } from '../management/subjects/subjects.dto.js';
import { answerRules, ANSWERS_RULE } from '../verifications/answer-rules.js';

const HASH_PATTERN = /^\$[\x21-\x7e]{20,255}$/;

@Described()
export class ImportQuery {
  @Field(
    'Id of the import. A line that took effect under it changes nothing when it is sent again. Default: a new id, in the header Import-Id of the answer',
  )
  @Optional()
  @Matches(IMPORT_ID_PATTERN, {
    message: 'must be 8 to 64 letters, digits or . _ : -, and begin with a letter or digit',
  })
  importId?: string;
  @Field('Number of the first line of the body, for an import that continues', {
    ...{ type: 'integer', minimum: 1, maximum: 999_999_999, default: 1, pattern: undefined },
  })
  @Optional()
  @Matches(/^[1-9]\d{0,8}$/, { message: 'must be a whole number from 1 to 999999999' })
  firstLine?: string;
  @Field('true: check every line and write nothing', { type: 'boolean', default: false, enum: undefined })
  @Optional()
  @IsIn(['true', 'false'], { message: 'must be true or false' })
  dryRun?: string;
}

/** One line of an import. */
@Described({
  examples: [
    { subject: 'c-1001', phones: ['+12025550147'], displayName: 'Ada', locale: 'en-US', pin: '592817' },
    { subject: 'c-1002', answers: { last_four_ssn: '6789', zip_code: '94103' } },
  ],
})
export class SubjectRowBody extends SubjectBody {
  @IsSubjectIdField() subject!: string;
  @Optional() @IsPin('The PIN, 4 to 8 digits. It is hashed on arrival') pin?: string;
  @Field(
    'Hash of the PIN from another system instead of `pin`: an argon2id string ($argon2id$v=19$…, at most 64 MiB) or a bcrypt string ($2b$…, cost 4 to 12)',
    { writeOnly: true },
  )
  @Optional()
  @Matches(HASH_PATTERN, { message: 'must be an argon2id or bcrypt hash' })
  pinHash?: string;
  @Field('For a PIN that the caller did not choose, as in PUT pin. Default: false')
  @Optional()
  @IsBoolean({ message: 'must be true or false' })
  forceChange?: boolean;
  @Field('Answers by the names of the questions; they replace all earlier ones', ANSWER_KEYWORDS)
  @Optional()
  @IsObject({ message: ANSWERS_RULE })
  answers?: Record<string, string>;

  override rules(): Violation[] {
    const both = this.pin !== undefined && this.pinHash !== undefined;
    return [
      ...super.rules(),
      ...(this.answers === undefined ? [] : answerRules(this.answers)),
      ...(both ? [{ field: 'pinHash', rule: 'must not be given beside pin' }] : []),
    ];
  }

  row(line: number): SubjectRow {
    const { subject, pin, pinHash, forceChange, answers } = this;
    // Without undefined fields, so that a row is the same before and after it travelled.
    return JSON.parse(
      JSON.stringify({ line, subject, ...this.changes(), pin, pinHash, forceChange, answers }),
    ) as SubjectRow;
  }
}

/** One line of the answer. */
export class ImportedSubject {
  @ApiProperty({ type: 'integer', minimum: 1, description: 'Number of the line of the request.' }) line!: number;
  @ApiPropertyOptional({ description: 'Absent if the line has no valid id.' }) subject?: string;
  @ApiProperty({ type: 'string', enum: IMPORT_RESULTS }) result!: ImportResult;
  @ApiPropertyOptional({
    type: 'array',
    items: { $ref: '#/components/schemas/Violation' },
    description: 'Only with `rejected`: fields and the rules that they break, never a value.',
  })
  violations?: Violation[];
}
