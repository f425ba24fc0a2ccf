// ============ Enums ============

type AudioUsageType =
  | 'welcome'
  | 'goodbye'
  | 'question'
  | 'prompt'
  | 'hold_music'
  | 'notification'
  | 'other';

type SortOrder = 'asc' | 'desc';

// ============ Request Types ============

interface UploadAudioRequest {
  file: File;                   // multipart/form-data
  title?: string;               // max 255 characters
  description?: string;         // max 500 characters
  usageType?: AudioUsageType;
  tags?: string[];
}

interface UpdateAudioRequest {
  title?: string;               // max 255 characters
  description?: string;         // max 500 characters
  usageType?: AudioUsageType;
  tags?: string[];
}

// ============ Query Parameters ============

interface AudioListQueryParams {
  page?: number;                // default: 1, min: 1
  limit?: number;               // default: 20, max: 100
  search?: string;              // searches title, description, tags
  sortBy?: string;              // createdAt, title, durationSeconds
  sortOrder?: SortOrder;        // default: 'desc'
  organizationId?: string;      // UUID filter
  usageType?: AudioUsageType;
  tags?: string[];              // comma-separated or array
}

// ============ Response Types ============

interface AudioFile {
  id: string;
  name: string;
  contentType: string;
  fileSize: number;
  checksum: string | null;
}

interface AudioResponse {
  id: string;
  title: string;
  description: string | null;
  usageType: AudioUsageType;
  tags: string[] | null;
  durationSeconds: number | null;
  sampleRate: number | null;
  channels: number | null;
  bitDepth: number | null;
  organizationId: string | null;
  originalFileName: string | null;
  createdAt: string;            // ISO date
  updatedAt: string;            // ISO date
  file: AudioFile;
}

interface AudioWithRelationsResponse extends AudioResponse {
  organization: {
    id: string;
    name: string;
    slug: string;
  };
}

interface AudioListResponse {
  data: AudioResponse[];
  meta: PaginationMeta;
}

interface PlaybackUrlResponse {
  id: string;
  playbackUrl: string;
  expiresIn: number;            // seconds
  expiresAt: string;            // ISO date
}

interface PaginationMeta {
  page: number;
  limit: number;
  total: number;
  totalPages: number;
  hasNextPage: boolean;
  hasPreviousPage: boolean;
}

interface MessageResponse {
  message: string;
}
