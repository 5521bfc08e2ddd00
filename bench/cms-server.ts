// The ceiling of the CMS's hot reads, as a process: the mesh's server with everything on, and
// handlers that answer what they were given at the start.

import { fromJson, type JsonValue } from "@bufbuild/protobuf";
import {
  CatalogService,
  GetCatalogLessonResponseSchema,
} from "#gen/bursar/cms/v1/catalog_service_pb.ts";
import { AccessReason, EnrollmentService } from "#gen/bursar/cms/v1/enrollment_service_pb.ts";
import { readEnv, readMeshConfig, type TlsFiles } from "#mesh/process/config.ts";
import { createLog } from "#mesh/process/log.ts";
import { createMetrics } from "#mesh/process/metrics.ts";
import { startServer } from "#mesh/rpc/server.ts";
import { answerQuestions, cpuMicros, workerOptions } from "./mesh/worker.ts";

export type CmsServerOptions = {
  readonly port: number;
  readonly tls: TlsFiles;
  readonly accessFile: string;
  /** The answer to every GetCatalogLesson. */
  readonly lesson: JsonValue;
};

const service = "cms-service";
const { port, tls, accessFile, lesson } = workerOptions<CmsServerOptions>();
const lessonAnswer = fromJson(GetCatalogLessonResponseSchema, lesson);
const env = {
  HOST: "127.0.0.1",
  PORT: String(port),
  TLS_CA_FILE: tls.caFile,
  TLS_CERT_FILE: tls.certFile,
  TLS_KEY_FILE: tls.keyFile,
  ACCESS_FILE: accessFile,
};
await startServer({
  service,
  config: readEnv(env, readMeshConfig),
  log: createLog({ service, level: "warn" }),
  metrics: createMetrics(service),
  routes(router) {
    router.service(EnrollmentService, {
      checkAccess: () => ({ allowed: true, reason: AccessReason.GRANTED }),
    });
    router.service(CatalogService, { getCatalogLesson: () => lessonAnswer });
  },
  readiness: () => [],
});
answerQuestions(async () => ({ cpuMicros: cpuMicros() }));
