import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { defineConfig, type Plugin } from "vite";

/** The console's page: built into dist/, which the server serves at /console/. */
export default defineConfig({
  base: "/console/",
  // `npm run console:dev`: the page with reload, on a server that runs already. The server compares the
  // page's origin with the host that it was asked for.
  server: {
    proxy: {
      "^/(points\\.v1\\.|console/config\\.json)": {
        target: process.env["POINTS_URL"] ?? "http://127.0.0.1:50051",
        changeOrigin: false,
      },
    },
  },
  build: {
    target: "es2022",
    // Its polyfill would be an inline script, and every browser of that target has it.
    modulePreload: { polyfill: false },
    // No file inside another: the page's Content-Security-Policy takes none.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1_000,
    reportCompressedSize: false,
    // "use client" at the top of a module is for servers that render, and there is none.
    rolldownOptions: {
      input: ["index.html", "signed-in.html"].map((page) => join(import.meta.dirname, page)),
      checks: { moduleLevelDirective: false },
    },
  },
  plugins: [compressed()],
});

/** Writes each text file a second and a third time, compressed: the server compresses nothing. */
function compressed(): Plugin {
  return {
    name: "compressed",
    apply: "build",
    async writeBundle({ dir }) {
      for (const name of await readdir(dir!, { recursive: true })) {
        if (!/\.(?:js|css|html|svg|json)$/.test(name)) continue;
        const text = await readFile(`${dir}/${name}`);
        await writeFile(`${dir}/${name}.br`, brotliCompressSync(text));
        await writeFile(`${dir}/${name}.gz`, gzipSync(text, { level: 9 }));
      }
    },
  };
}
