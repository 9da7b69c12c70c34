// Uppy Companion with its URL plugin alone. FOLDER is where it keeps a file while it uploads it.

import * as companion from "@uppy/companion";
import express from "express";

const { PORT, TUS, FOLDER } = process.env;
const { app } = companion.app({
  secret: "a secret of the measurements",
  filePath: FOLDER,
  server: { host: `127.0.0.1:${PORT}`, protocol: "http" },
  uploadUrls: [TUS],
  corsOrigins: true,
  enableUrlEndpoint: true,
  allowLocalUrls: true,
});
companion.socket(express().use(app).listen(Number(PORT), "127.0.0.1"));
