from .cloud import CloudError, main

try:
    main()
except CloudError as error:
    raise SystemExit(f"local cloud: {error}") from None
