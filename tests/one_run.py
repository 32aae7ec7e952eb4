"""A run in a process of its own, to be killed, interrupted or refused.

python one_run.py '{"base_url": …, "out": …}'

As a user would write it. Prints what happened as one JSON line.
"""

import json
import sys

import scripted

import sdgkit as sk


def main() -> None:
    given = json.loads(sys.argv[1])
    seeds = given.pop("seeds", None) or scripted.seeds()
    concurrency = given.pop("concurrency", 8)
    base_url = given.pop("base_url")
    cluster = given.pop("cluster", None)
    if cluster is not None:
        given["cluster"] = sk.RayCluster(**cluster)
    try:
        teacher = sk.connect("openai", base_url, api_key="key", concurrency=concurrency)
        run = sk.generate(seeds, teacher=teacher, prompts=scripted.PROMPTS, profile=False, **given)
    except sk.SdgkitError as error:
        print(json.dumps({"error": str(error), "kind": type(error).__name__}))
        sys.exit(1)
    print(json.dumps({"state": run.state, "samples": len(list(run.samples()))}))


if __name__ == "__main__":
    main()
