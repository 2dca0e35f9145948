"""What happened, who signed it, where it stands in the tree. Looks at nobody.

Rooms, each looking down only: ``cases``, ``registry``, ``exchange`` · ``door`` · ``store``, ``verify``, ``signer`` ·
``witness`` · ``facts``, ``tree`` · ``statement`` · ``keys``, ``disclosure`` · ``files``, ``terminal`` · ``errors``.
"""
