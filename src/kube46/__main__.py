"""`python -m kube46` and the kube46 executable."""

from kube46.cli.main import main

if __name__ == "__main__":
    main()
