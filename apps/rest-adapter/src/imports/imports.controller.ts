import { randomUUID } from 'node:crypto';
import { type Readable } from 'node:stream';
import { Controller, Get, HttpCode, Param, Post, Query, Req, Res } from '@nestjs/common';
import {
  ApiBody,
  ApiConsumes,
  ApiExtraModels,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
  getSchemaPath,
} from '@nestjs/swagger';
import { actorOf, Requires, type ClientRequest, TenantPath, Problem, Problems } from '@countersign/api';
import { allowLongBody } from '@countersign/http';
import { type FastifyReply } from 'fastify';
import { Origin, type CommandOrigin } from '../management/manage.js';
import { SubjectDetails } from '../management/subjects/subjects.dto.js';
import { NDJSON } from '../http/ndjson.js';
import { ExportSubjects } from './export-subjects.use-case.js';
import { ImportedSubject, ImportQuery, SubjectRowBody } from './imports.dto.js';
import { StreamImport } from './stream-import.use-case.js';

const lines = (type: new () => object): object => ({ [NDJSON]: { schema: { $ref: getSchemaPath(type) } } });

/** Many subjects in one request. */
@ApiTags('subjects')
@Controller('v1/tenants/:tenant')
export class ImportsController {
  constructor(
    private readonly streamImport: StreamImport,
    private readonly exportSubjects: ExportSubjects,
  ) {}

  @Post('subjects::import')
  @HttpCode(200)
  @Requires('manage')
  @ApiOperation({
    summary: 'Import subjects, one JSON object per line; the answer has one line per line',
    description:
      'Request and answer are streams: send lines while you read results. A line has at most 16384 bytes. If the answer ends with a problem, send the lines without a result again, with the same importId and their firstLine.',
  })
  @ApiExtraModels(SubjectRowBody, ImportedSubject)
  @ApiConsumes(NDJSON)
  @ApiBody({ required: true, type: SubjectRowBody, description: 'One object per line.' })
  @ApiOkResponse({
    description: 'One line per line of the request, in its order.',
    content: lines(ImportedSubject) as never,
  })
  @Problems('quota-exceeded')
  importSubjects(
    @Param() { tenant }: TenantPath,
    @Query() query: ImportQuery,
    @Req() request: ClientRequest,
    @Res() reply: FastifyReply,
  ): void {
    const body = request.body as Readable | undefined;
    if (body === undefined) throw new Problem('unsupported-media-type');
    const { importId = `import-${randomUUID()}`, firstLine = '1', dryRun } = query;
    const options = {
      tenant,
      importId,
      actor: actorOf(request),
      firstLine: Number(firstLine),
      dryRun: dryRun === 'true',
      checkKey: () => request.checkAgain?.(),
    };
    const results = this.streamImport.import(options, body, allowLongBody(request));
    // Nobody reads the rest of a body when its import ends early, so its sender must not wait.
    reply.raw.once('finish', () => request.raw.complete || request.raw.socket.destroySoon());
    void reply.headers({ 'content-type': NDJSON, 'import-id': importId }).send(results);
  }

  @Get('subjects::export')
  @Requires('manage:read')
  @ApiOperation({
    summary: 'Export all subjects of a tenant, one JSON object per line, in the order of their ids',
    description:
      'The answer is a stream, read page by page: a subject that exists during the whole export is in it exactly once. If it ends with a problem, it is not complete: send the request again.',
  })
  @ApiExtraModels(SubjectDetails)
  @ApiOkResponse({
    description: 'One line per subject, as the list has it.',
    content: lines(SubjectDetails) as never,
  })
  @Problems('quota-exceeded', 'unavailable')
  async exportAllSubjects(
    @Origin() origin: CommandOrigin,
    @Param() { tenant }: TenantPath,
    @Req() request: ClientRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const subjects = await this.exportSubjects.export(origin, tenant, () => request.checkAgain?.());
    const isHead = request.method === 'HEAD';
    // Fastify reads the whole stream, also for an answer without a body.
    if (isHead) subjects.destroy();
    void reply.header('content-type', NDJSON).send(isHead ? undefined : subjects);
  }
}
