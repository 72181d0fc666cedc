import { ApiHideProperty } from '@nestjs/swagger';
import { IsUUID } from 'class-validator';
import { IdPath, LowerCase } from '../access/read-query';

export class AttachmentPath extends IdPath {
  @ApiHideProperty()
  @LowerCase()
  @IsUUID('all')
  attachmentId!: string;
}
