// The tus server that Companion uploads to. It keeps what arrives as files of FOLDER.

import { FileStore } from "@tus/file-store";
import { Server } from "@tus/server";

const { PORT, FOLDER } = process.env;
const server = new Server({ path: "/files", datastore: new FileStore({ directory: FOLDER }) });
server.listen({ host: "127.0.0.1", port: Number(PORT) });
