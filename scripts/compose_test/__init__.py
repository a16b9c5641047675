"""Runs docker-compose.yml for real: up, ingest, ask, restart each service while asking, look at it, down.

    make compose-test                      with the images that docker-compose.yml names
    make compose-test ARGS=--stand-ins     with images made here, where no registry can be reached
    sh docker/stand-ins/engine.sh make compose-test    with a Docker engine of its own, too

Exit code 0: all went well. 1: something did not; the reason stands in the last lines. 77: skipped, because
there is no Docker engine or no Docker Compose here; the reason is said. (make itself answers 2 for both.)
"""
