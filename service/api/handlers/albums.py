"""``/api/v1/albums``: the albums of imports."""

from http import HTTPStatus

from ...imports.lists import AlbumQuery
from ...models.representation import timestamp
from ..http.base import BaseHandler
from ..params import parse_query
from ..resources import ImportsApi


class AlbumsHandler(BaseHandler):
    """The albums that have imports."""

    api: ImportsApi

    async def get(self) -> None:
        """Answer with a page of the albums that the token may list, by their ids."""
        grant = await self.authenticate()
        query = AlbumQuery.of(parse_query(self.request.query, self.common.limits.params))
        page = await self.api.listing.albums(grant, query)
        if page.next is not None:
            self.set_header("Link", f'</api/v1/albums?{query.following(page.next)}>; rel="next"')
        albums = [
            {
                "album_id": album.album_id,
                "import_count": album.imports,
                "is_exact": album.is_exact,
                "newest_at": timestamp(album.newest_at, self.common.timezone),
            }
            for album in page.albums
        ]
        self.answer(HTTPStatus.OK, {"albums": albums})
