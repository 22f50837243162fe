"""Generates the stubs, with their types, into gen/: run it after proto/ has changed."""

import shutil
import sysconfig
from importlib.resources import files as files_of
from pathlib import Path

from grpc_tools import protoc

HERE = Path(__file__).parent
PROTO = HERE.parent.parent / "proto"
GEN = HERE / "gen"


def main() -> None:
    shutil.rmtree(GEN, ignore_errors=True)
    GEN.mkdir()
    # google/rpc comes with googleapis-common-protos.
    messages = [*PROTO.glob("points/v1/*.proto"), PROTO / "buf/validate/validate.proto"]
    run(messages, "python", "mypy")
    services = [PROTO / f"points/v1/{name}.proto" for name in ("points", "policies", "ledger")]
    run(services, "grpc_python", "mypy_grpc")
    shutil.copy(PROTO / "points/v1/service_config.json", GEN)


def run(files: list[Path], *generators: str) -> None:
    scripts = Path(sysconfig.get_path("scripts"))
    args = [
        "protoc",
        f"--proto_path={PROTO}",
        f"--proto_path={files_of('grpc_tools') / '_proto'}",
        *(f"--plugin={scripts / name}" for name in ("protoc-gen-mypy", "protoc-gen-mypy_grpc")),
        *(f"--{generator}_out={GEN}" for generator in generators),
        *map(str, files),
    ]
    if protoc.main(args) != 0:
        raise SystemExit(f"failed: {' '.join(args)}")


if __name__ == "__main__":
    main()
