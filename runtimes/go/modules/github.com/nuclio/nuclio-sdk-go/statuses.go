package nuclio

import "net/http"

// For each status an error without a message, and two ways to make one: from a text, and around another error.

var (
	ErrContinue                      = ErrorWithStatusCode{status: http.StatusContinue}
	ErrSwitchingProtocols            = ErrorWithStatusCode{status: http.StatusSwitchingProtocols}
	ErrProcessing                    = ErrorWithStatusCode{status: http.StatusProcessing}
	ErrEarlyHints                    = ErrorWithStatusCode{status: http.StatusEarlyHints}
	ErrCreated                       = ErrorWithStatusCode{status: http.StatusCreated}
	ErrAccepted                      = ErrorWithStatusCode{status: http.StatusAccepted}
	ErrNonAuthoritativeInfo          = ErrorWithStatusCode{status: http.StatusNonAuthoritativeInfo}
	ErrNoContent                     = ErrorWithStatusCode{status: http.StatusNoContent}
	ErrResetContent                  = ErrorWithStatusCode{status: http.StatusResetContent}
	ErrPartialContent                = ErrorWithStatusCode{status: http.StatusPartialContent}
	ErrMultiStatus                   = ErrorWithStatusCode{status: http.StatusMultiStatus}
	ErrAlreadyReported               = ErrorWithStatusCode{status: http.StatusAlreadyReported}
	ErrIMUsed                        = ErrorWithStatusCode{status: http.StatusIMUsed}
	ErrMultipleChoices               = ErrorWithStatusCode{status: http.StatusMultipleChoices}
	ErrMovedPermanently              = ErrorWithStatusCode{status: http.StatusMovedPermanently}
	ErrFound                         = ErrorWithStatusCode{status: http.StatusFound}
	ErrSeeOther                      = ErrorWithStatusCode{status: http.StatusSeeOther}
	ErrNotModified                   = ErrorWithStatusCode{status: http.StatusNotModified}
	ErrUseProxy                      = ErrorWithStatusCode{status: http.StatusUseProxy}
	ErrTemporaryRedirect             = ErrorWithStatusCode{status: http.StatusTemporaryRedirect}
	ErrPermanentRedirect             = ErrorWithStatusCode{status: http.StatusPermanentRedirect}
	ErrBadRequest                    = ErrorWithStatusCode{status: http.StatusBadRequest}
	ErrUnauthorized                  = ErrorWithStatusCode{status: http.StatusUnauthorized}
	ErrPaymentRequired               = ErrorWithStatusCode{status: http.StatusPaymentRequired}
	ErrForbidden                     = ErrorWithStatusCode{status: http.StatusForbidden}
	ErrNotFound                      = ErrorWithStatusCode{status: http.StatusNotFound}
	ErrMethodNotAllowed              = ErrorWithStatusCode{status: http.StatusMethodNotAllowed}
	ErrNotAcceptable                 = ErrorWithStatusCode{status: http.StatusNotAcceptable}
	ErrProxyAuthRequired             = ErrorWithStatusCode{status: http.StatusProxyAuthRequired}
	ErrRequestTimeout                = ErrorWithStatusCode{status: http.StatusRequestTimeout}
	ErrConflict                      = ErrorWithStatusCode{status: http.StatusConflict}
	ErrGone                          = ErrorWithStatusCode{status: http.StatusGone}
	ErrLengthRequired                = ErrorWithStatusCode{status: http.StatusLengthRequired}
	ErrPreconditionFailed            = ErrorWithStatusCode{status: http.StatusPreconditionFailed}
	ErrRequestEntityTooLarge         = ErrorWithStatusCode{status: http.StatusRequestEntityTooLarge}
	ErrRequestURITooLong             = ErrorWithStatusCode{status: http.StatusRequestURITooLong}
	ErrUnsupportedMediaType          = ErrorWithStatusCode{status: http.StatusUnsupportedMediaType}
	ErrRequestedRangeNotSatisfiable  = ErrorWithStatusCode{status: http.StatusRequestedRangeNotSatisfiable}
	ErrExpectationFailed             = ErrorWithStatusCode{status: http.StatusExpectationFailed}
	ErrTeapot                        = ErrorWithStatusCode{status: http.StatusTeapot}
	ErrMisdirectedRequest            = ErrorWithStatusCode{status: http.StatusMisdirectedRequest}
	ErrUnprocessableEntity           = ErrorWithStatusCode{status: http.StatusUnprocessableEntity}
	ErrLocked                        = ErrorWithStatusCode{status: http.StatusLocked}
	ErrFailedDependency              = ErrorWithStatusCode{status: http.StatusFailedDependency}
	ErrTooEarly                      = ErrorWithStatusCode{status: http.StatusTooEarly}
	ErrUpgradeRequired               = ErrorWithStatusCode{status: http.StatusUpgradeRequired}
	ErrPreconditionRequired          = ErrorWithStatusCode{status: http.StatusPreconditionRequired}
	ErrTooManyRequests               = ErrorWithStatusCode{status: http.StatusTooManyRequests}
	ErrRequestHeaderFieldsTooLarge   = ErrorWithStatusCode{status: http.StatusRequestHeaderFieldsTooLarge}
	ErrUnavailableForLegalReasons    = ErrorWithStatusCode{status: http.StatusUnavailableForLegalReasons}
	ErrInternalServerError           = ErrorWithStatusCode{status: http.StatusInternalServerError}
	ErrNotImplemented                = ErrorWithStatusCode{status: http.StatusNotImplemented}
	ErrBadGateway                    = ErrorWithStatusCode{status: http.StatusBadGateway}
	ErrServiceUnavailable            = ErrorWithStatusCode{status: http.StatusServiceUnavailable}
	ErrGatewayTimeout                = ErrorWithStatusCode{status: http.StatusGatewayTimeout}
	ErrHTTPVersionNotSupported       = ErrorWithStatusCode{status: http.StatusHTTPVersionNotSupported}
	ErrVariantAlsoNegotiates         = ErrorWithStatusCode{status: http.StatusVariantAlsoNegotiates}
	ErrInsufficientStorage           = ErrorWithStatusCode{status: http.StatusInsufficientStorage}
	ErrLoopDetected                  = ErrorWithStatusCode{status: http.StatusLoopDetected}
	ErrNotExtended                   = ErrorWithStatusCode{status: http.StatusNotExtended}
	ErrNetworkAuthenticationRequired = ErrorWithStatusCode{status: http.StatusNetworkAuthenticationRequired}
)

// NewErrContinue returns an error that is answered with http.StatusContinue.
func NewErrContinue(message string) error {
	return NewErrorWithStatusCode(message, http.StatusContinue)
}

// WrapErrContinue lets an error be answered with http.StatusContinue.
func WrapErrContinue(err error) error { return WrapErrorWithStatusCode(err, http.StatusContinue) }

// NewErrSwitchingProtocols returns an error that is answered with http.StatusSwitchingProtocols.
func NewErrSwitchingProtocols(message string) error {
	return NewErrorWithStatusCode(message, http.StatusSwitchingProtocols)
}

// WrapErrSwitchingProtocols lets an error be answered with http.StatusSwitchingProtocols.
func WrapErrSwitchingProtocols(err error) error {
	return WrapErrorWithStatusCode(err, http.StatusSwitchingProtocols)
}

// NewErrProcessing returns an error that is answered with http.StatusProcessing.
func NewErrProcessing(message string) error {
	return NewErrorWithStatusCode(message, http.StatusProcessing)
}

// WrapErrProcessing lets an error be answered with http.StatusProcessing.
func WrapErrProcessing(err error) error { return WrapErrorWithStatusCode(err, http.StatusProcessing) }

// NewErrEarlyHints returns an error that is answered with http.StatusEarlyHints.
func NewErrEarlyHints(message string) error {
	return NewErrorWithStatusCode(message, http.StatusEarlyHints)
}

// WrapErrEarlyHints lets an error be answered with http.StatusEarlyHints.
func WrapErrEarlyHints(err error) error { return WrapErrorWithStatusCode(err, http.StatusEarlyHints) }

// NewErrCreated returns an error that is answered with http.StatusCreated.
func NewErrCreated(message string) error { return NewErrorWithStatusCode(message, http.StatusCreated) }

// WrapErrCreated lets an error be answered with http.StatusCreated.
func WrapErrCreated(err error) error { return WrapErrorWithStatusCode(err, http.StatusCreated) }

// NewErrAccepted returns an error that is answered with http.StatusAccepted.
func NewErrAccepted(message string) error {
	return NewErrorWithStatusCode(message, http.StatusAccepted)
}

// WrapErrAccepted lets an error be answered with http.StatusAccepted.
func WrapErrAccepted(err error) error { return WrapErrorWithStatusCode(err, http.StatusAccepted) }

// NewErrNonAuthoritativeInfo returns an error that is answered with http.StatusNonAuthoritativeInfo.
func NewErrNonAuthoritativeInfo(message string) error {
	return NewErrorWithStatusCode(message, http.StatusNonAuthoritativeInfo)
}

// WrapErrNonAuthoritativeInfo lets an error be answered with http.StatusNonAuthoritativeInfo.
func WrapErrNonAuthoritativeInfo(err error) error {
	return WrapErrorWithStatusCode(err, http.StatusNonAuthoritativeInfo)
}

// NewErrNoContent returns an error that is answered with http.StatusNoContent.
func NewErrNoContent(message string) error {
	return NewErrorWithStatusCode(message, http.StatusNoContent)
}

// WrapErrNoContent lets an error be answered with http.StatusNoContent.
func WrapErrNoContent(err error) error { return WrapErrorWithStatusCode(err, http.StatusNoContent) }

// NewErrResetContent returns an error that is answered with http.StatusResetContent.
func NewErrResetContent(message string) error {
	return NewErrorWithStatusCode(message, http.StatusResetContent)
}

// WrapErrResetContent lets an error be answered with http.StatusResetContent.
func WrapErrResetContent(err error) error {
	return WrapErrorWithStatusCode(err, http.StatusResetContent)
}

// NewErrPartialContent returns an error that is answered with http.StatusPartialContent.
func NewErrPartialContent(message string) error {
	return NewErrorWithStatusCode(message, http.StatusPartialContent)
}

// WrapErrPartialContent lets an error be answered with http.StatusPartialContent.
func WrapErrPartialContent(err error) error {
	return WrapErrorWithStatusCode(err, http.StatusPartialContent)
}

// NewErrMultiStatus returns an error that is answered with http.StatusMultiStatus.
func NewErrMultiStatus(message string) error {
	return NewErrorWithStatusCode(message, http.StatusMultiStatus)
}

// WrapErrMultiStatus lets an error be answered with http.StatusMultiStatus.
func WrapErrMultiStatus(err error) error { return WrapErrorWithStatusCode(err, http.StatusMultiStatus) }

// NewErrAlreadyReported returns an error that is answered with http.StatusAlreadyReported.
func NewErrAlreadyReported(message string) error {
	return NewErrorWithStatusCode(message, http.StatusAlreadyReported)
}

// WrapErrAlreadyReported lets an error be answered with http.StatusAlreadyReported.
func WrapErrAlreadyReported(err error) error {
	return WrapErrorWithStatusCode(err, http.StatusAlreadyReported)
}

// NewErrIMUsed returns an error that is answered with http.StatusIMUsed.
func NewErrIMUsed(message string) error { return NewErrorWithStatusCode(message, http.StatusIMUsed) }

// WrapErrIMUsed lets an error be answered with http.StatusIMUsed.
func WrapErrIMUsed(err error) error { return WrapErrorWithStatusCode(err, http.StatusIMUsed) }

// NewErrMultipleChoices returns an error that is answered with http.StatusMultipleChoices.
func NewErrMultipleChoices(message string) error {
	return NewErrorWithStatusCode(message, http.StatusMultipleChoices)
}

// WrapErrMultipleChoices lets an error be answered with http.StatusMultipleChoices.
func WrapErrMultipleChoices(err error) error {
	return WrapErrorWithStatusCode(err, http.StatusMultipleChoices)
}

// NewErrMovedPermanently returns an error that is answered with http.StatusMovedPermanently.
func NewErrMovedPermanently(message string) error {
	return NewErrorWithStatusCode(message, http.StatusMovedPermanently)
}

// WrapErrMovedPermanently lets an error be answered with http.StatusMovedPermanently.
func WrapErrMovedPermanently(err error) error {
	return WrapErrorWithStatusCode(err, http.StatusMovedPermanently)
}

// NewErrFound returns an error that is answered with http.StatusFound.
func NewErrFound(message string) error { return NewErrorWithStatusCode(message, http.StatusFound) }

// WrapErrFound lets an error be answered with http.StatusFound.
func WrapErrFound(err error) error { return WrapErrorWithStatusCode(err, http.StatusFound) }

// NewErrSeeOther returns an error that is answered with http.StatusSeeOther.
func NewErrSeeOther(message string) error {
	return NewErrorWithStatusCode(message, http.StatusSeeOther)
}

// WrapErrSeeOther lets an error be answered with http.StatusSeeOther.
func WrapErrSeeOther(err error) error { return WrapErrorWithStatusCode(err, http.StatusSeeOther) }

// NewErrNotModified returns an error that is answered with http.StatusNotModified.
func NewErrNotModified(message string) error {
	return NewErrorWithStatusCode(message, http.StatusNotModified)
}

// WrapErrNotModified lets an error be answered with http.StatusNotModified.
func WrapErrNotModified(err error) error { return WrapErrorWithStatusCode(err, http.StatusNotModified) }

// NewErrUseProxy returns an error that is answered with http.StatusUseProxy.
func NewErrUseProxy(message string) error {
	return NewErrorWithStatusCode(message, http.StatusUseProxy)
}

// WrapErrUseProxy lets an error be answered with http.StatusUseProxy.
func WrapErrUseProxy(err error) error { return WrapErrorWithStatusCode(err, http.StatusUseProxy) }

// NewErrTemporaryRedirect returns an error that is answered with http.StatusTemporaryRedirect.
func NewErrTemporaryRedirect(message string) error {
	return NewErrorWithStatusCode(message, http.StatusTemporaryRedirect)
}

// WrapErrTemporaryRedirect lets an error be answered with http.StatusTemporaryRedirect.
func WrapErrTemporaryRedirect(err error) error {
	return WrapErrorWithStatusCode(err, http.StatusTemporaryRedirect)
}

// NewErrPermanentRedirect returns an error that is answered with http.StatusPermanentRedirect.
func NewErrPermanentRedirect(message string) error {
	return NewErrorWithStatusCode(message, http.StatusPermanentRedirect)
}

// WrapErrPermanentRedirect lets an error be answered with http.StatusPermanentRedirect.
func WrapErrPermanentRedirect(err error) error {
	return WrapErrorWithStatusCode(err, http.StatusPermanentRedirect)
}

// NewErrBadRequest returns an error that is answered with http.StatusBadRequest.
func NewErrBadRequest(message string) error {
	return NewErrorWithStatusCode(message, http.StatusBadRequest)
}

// WrapErrBadRequest lets an error be answered with http.StatusBadRequest.
func WrapErrBadRequest(err error) error { return WrapErrorWithStatusCode(err, http.StatusBadRequest) }

// NewErrUnauthorized returns an error that is answered with http.StatusUnauthorized.
func NewErrUnauthorized(message string) error {
	return NewErrorWithStatusCode(message, http.StatusUnauthorized)
}

// WrapErrUnauthorized lets an error be answered with http.StatusUnauthorized.
func WrapErrUnauthorized(err error) error {
	return WrapErrorWithStatusCode(err, http.StatusUnauthorized)
}

// NewErrPaymentRequired returns an error that is answered with http.StatusPaymentRequired.
func NewErrPaymentRequired(message string) error {
	return NewErrorWithStatusCode(message, http.StatusPaymentRequired)
}

// WrapErrPaymentRequired lets an error be answered with http.StatusPaymentRequired.
func WrapErrPaymentRequired(err error) error {
	return WrapErrorWithStatusCode(err, http.StatusPaymentRequired)
}

// NewErrForbidden returns an error that is answered with http.StatusForbidden.
func NewErrForbidden(message string) error {
	return NewErrorWithStatusCode(message, http.StatusForbidden)
}

// WrapErrForbidden lets an error be answered with http.StatusForbidden.
func WrapErrForbidden(err error) error { return WrapErrorWithStatusCode(err, http.StatusForbidden) }

// NewErrNotFound returns an error that is answered with http.StatusNotFound.
func NewErrNotFound(message string) error {
	return NewErrorWithStatusCode(message, http.StatusNotFound)
}

// WrapErrNotFound lets an error be answered with http.StatusNotFound.
func WrapErrNotFound(err error) error { return WrapErrorWithStatusCode(err, http.StatusNotFound) }

// NewErrMethodNotAllowed returns an error that is answered with http.StatusMethodNotAllowed.
func NewErrMethodNotAllowed(message string) error {
	return NewErrorWithStatusCode(message, http.StatusMethodNotAllowed)
}

// WrapErrMethodNotAllowed lets an error be answered with http.StatusMethodNotAllowed.
func WrapErrMethodNotAllowed(err error) error {
	return WrapErrorWithStatusCode(err, http.StatusMethodNotAllowed)
}

// NewErrNotAcceptable returns an error that is answered with http.StatusNotAcceptable.
func NewErrNotAcceptable(message string) error {
	return NewErrorWithStatusCode(message, http.StatusNotAcceptable)
}

// WrapErrNotAcceptable lets an error be answered with http.StatusNotAcceptable.
func WrapErrNotAcceptable(err error) error {
	return WrapErrorWithStatusCode(err, http.StatusNotAcceptable)
}

// NewErrProxyAuthRequired returns an error that is answered with http.StatusProxyAuthRequired.
func NewErrProxyAuthRequired(message string) error {
	return NewErrorWithStatusCode(message, http.StatusProxyAuthRequired)
}

// WrapErrProxyAuthRequired lets an error be answered with http.StatusProxyAuthRequired.
func WrapErrProxyAuthRequired(err error) error {
	return WrapErrorWithStatusCode(err, http.StatusProxyAuthRequired)
}

// NewErrRequestTimeout returns an error that is answered with http.StatusRequestTimeout.
func NewErrRequestTimeout(message string) error {
	return NewErrorWithStatusCode(message, http.StatusRequestTimeout)
}

// WrapErrRequestTimeout lets an error be answered with http.StatusRequestTimeout.
func WrapErrRequestTimeout(err error) error {
	return WrapErrorWithStatusCode(err, http.StatusRequestTimeout)
}

// NewErrConflict returns an error that is answered with http.StatusConflict.
func NewErrConflict(message string) error {
	return NewErrorWithStatusCode(message, http.StatusConflict)
}

// WrapErrConflict lets an error be answered with http.StatusConflict.
func WrapErrConflict(err error) error { return WrapErrorWithStatusCode(err, http.StatusConflict) }

// NewErrGone returns an error that is answered with http.StatusGone.
func NewErrGone(message string) error { return NewErrorWithStatusCode(message, http.StatusGone) }

// WrapErrGone lets an error be answered with http.StatusGone.
func WrapErrGone(err error) error { return WrapErrorWithStatusCode(err, http.StatusGone) }

// NewErrLengthRequired returns an error that is answered with http.StatusLengthRequired.
func NewErrLengthRequired(message string) error {
	return NewErrorWithStatusCode(message, http.StatusLengthRequired)
}

// WrapErrLengthRequired lets an error be answered with http.StatusLengthRequired.
func WrapErrLengthRequired(err error) error {
	return WrapErrorWithStatusCode(err, http.StatusLengthRequired)
}

// NewErrPreconditionFailed returns an error that is answered with http.StatusPreconditionFailed.
func NewErrPreconditionFailed(message string) error {
	return NewErrorWithStatusCode(message, http.StatusPreconditionFailed)
}

// WrapErrPreconditionFailed lets an error be answered with http.StatusPreconditionFailed.
func WrapErrPreconditionFailed(err error) error {
	return WrapErrorWithStatusCode(err, http.StatusPreconditionFailed)
}

// NewErrRequestEntityTooLarge returns an error that is answered with http.StatusRequestEntityTooLarge.
func NewErrRequestEntityTooLarge(message string) error {
	return NewErrorWithStatusCode(message, http.StatusRequestEntityTooLarge)
}

// WrapErrRequestEntityTooLarge lets an error be answered with http.StatusRequestEntityTooLarge.
func WrapErrRequestEntityTooLarge(err error) error {
	return WrapErrorWithStatusCode(err, http.StatusRequestEntityTooLarge)
}

// NewErrRequestURITooLong returns an error that is answered with http.StatusRequestURITooLong.
func NewErrRequestURITooLong(message string) error {
	return NewErrorWithStatusCode(message, http.StatusRequestURITooLong)
}

// WrapErrRequestURITooLong lets an error be answered with http.StatusRequestURITooLong.
func WrapErrRequestURITooLong(err error) error {
	return WrapErrorWithStatusCode(err, http.StatusRequestURITooLong)
}

// NewErrUnsupportedMediaType returns an error that is answered with http.StatusUnsupportedMediaType.
func NewErrUnsupportedMediaType(message string) error {
	return NewErrorWithStatusCode(message, http.StatusUnsupportedMediaType)
}

// WrapErrUnsupportedMediaType lets an error be answered with http.StatusUnsupportedMediaType.
func WrapErrUnsupportedMediaType(err error) error {
	return WrapErrorWithStatusCode(err, http.StatusUnsupportedMediaType)
}

// NewErrRequestedRangeNotSatisfiable returns an error that is answered with http.StatusRequestedRangeNotSatisfiable.
func NewErrRequestedRangeNotSatisfiable(message string) error {
	return NewErrorWithStatusCode(message, http.StatusRequestedRangeNotSatisfiable)
}

// WrapErrRequestedRangeNotSatisfiable lets an error be answered with http.StatusRequestedRangeNotSatisfiable.
func WrapErrRequestedRangeNotSatisfiable(err error) error {
	return WrapErrorWithStatusCode(err, http.StatusRequestedRangeNotSatisfiable)
}

// NewErrExpectationFailed returns an error that is answered with http.StatusExpectationFailed.
func NewErrExpectationFailed(message string) error {
	return NewErrorWithStatusCode(message, http.StatusExpectationFailed)
}

// WrapErrExpectationFailed lets an error be answered with http.StatusExpectationFailed.
func WrapErrExpectationFailed(err error) error {
	return WrapErrorWithStatusCode(err, http.StatusExpectationFailed)
}

// NewErrTeapot returns an error that is answered with http.StatusTeapot.
func NewErrTeapot(message string) error { return NewErrorWithStatusCode(message, http.StatusTeapot) }

// WrapErrTeapot lets an error be answered with http.StatusTeapot.
func WrapErrTeapot(err error) error { return WrapErrorWithStatusCode(err, http.StatusTeapot) }

// NewErrMisdirectedRequest returns an error that is answered with http.StatusMisdirectedRequest.
func NewErrMisdirectedRequest(message string) error {
	return NewErrorWithStatusCode(message, http.StatusMisdirectedRequest)
}

// WrapErrMisdirectedRequest lets an error be answered with http.StatusMisdirectedRequest.
func WrapErrMisdirectedRequest(err error) error {
	return WrapErrorWithStatusCode(err, http.StatusMisdirectedRequest)
}

// NewErrUnprocessableEntity returns an error that is answered with http.StatusUnprocessableEntity.
func NewErrUnprocessableEntity(message string) error {
	return NewErrorWithStatusCode(message, http.StatusUnprocessableEntity)
}

// WrapErrUnprocessableEntity lets an error be answered with http.StatusUnprocessableEntity.
func WrapErrUnprocessableEntity(err error) error {
	return WrapErrorWithStatusCode(err, http.StatusUnprocessableEntity)
}

// NewErrLocked returns an error that is answered with http.StatusLocked.
func NewErrLocked(message string) error { return NewErrorWithStatusCode(message, http.StatusLocked) }

// WrapErrLocked lets an error be answered with http.StatusLocked.
func WrapErrLocked(err error) error { return WrapErrorWithStatusCode(err, http.StatusLocked) }

// NewErrFailedDependency returns an error that is answered with http.StatusFailedDependency.
func NewErrFailedDependency(message string) error {
	return NewErrorWithStatusCode(message, http.StatusFailedDependency)
}

// WrapErrFailedDependency lets an error be answered with http.StatusFailedDependency.
func WrapErrFailedDependency(err error) error {
	return WrapErrorWithStatusCode(err, http.StatusFailedDependency)
}

// NewErrTooEarly returns an error that is answered with http.StatusTooEarly.
func NewErrTooEarly(message string) error {
	return NewErrorWithStatusCode(message, http.StatusTooEarly)
}

// WrapErrTooEarly lets an error be answered with http.StatusTooEarly.
func WrapErrTooEarly(err error) error { return WrapErrorWithStatusCode(err, http.StatusTooEarly) }

// NewErrUpgradeRequired returns an error that is answered with http.StatusUpgradeRequired.
func NewErrUpgradeRequired(message string) error {
	return NewErrorWithStatusCode(message, http.StatusUpgradeRequired)
}

// WrapErrUpgradeRequired lets an error be answered with http.StatusUpgradeRequired.
func WrapErrUpgradeRequired(err error) error {
	return WrapErrorWithStatusCode(err, http.StatusUpgradeRequired)
}

// NewErrPreconditionRequired returns an error that is answered with http.StatusPreconditionRequired.
func NewErrPreconditionRequired(message string) error {
	return NewErrorWithStatusCode(message, http.StatusPreconditionRequired)
}

// WrapErrPreconditionRequired lets an error be answered with http.StatusPreconditionRequired.
func WrapErrPreconditionRequired(err error) error {
	return WrapErrorWithStatusCode(err, http.StatusPreconditionRequired)
}

// NewErrTooManyRequests returns an error that is answered with http.StatusTooManyRequests.
func NewErrTooManyRequests(message string) error {
	return NewErrorWithStatusCode(message, http.StatusTooManyRequests)
}

// WrapErrTooManyRequests lets an error be answered with http.StatusTooManyRequests.
func WrapErrTooManyRequests(err error) error {
	return WrapErrorWithStatusCode(err, http.StatusTooManyRequests)
}

// NewErrRequestHeaderFieldsTooLarge returns an error that is answered with http.StatusRequestHeaderFieldsTooLarge.
func NewErrRequestHeaderFieldsTooLarge(message string) error {
	return NewErrorWithStatusCode(message, http.StatusRequestHeaderFieldsTooLarge)
}

// WrapErrRequestHeaderFieldsTooLarge lets an error be answered with http.StatusRequestHeaderFieldsTooLarge.
func WrapErrRequestHeaderFieldsTooLarge(err error) error {
	return WrapErrorWithStatusCode(err, http.StatusRequestHeaderFieldsTooLarge)
}

// NewErrUnavailableForLegalReasons returns an error that is answered with http.StatusUnavailableForLegalReasons.
func NewErrUnavailableForLegalReasons(message string) error {
	return NewErrorWithStatusCode(message, http.StatusUnavailableForLegalReasons)
}

// WrapErrUnavailableForLegalReasons lets an error be answered with http.StatusUnavailableForLegalReasons.
func WrapErrUnavailableForLegalReasons(err error) error {
	return WrapErrorWithStatusCode(err, http.StatusUnavailableForLegalReasons)
}

// NewErrInternalServerError returns an error that is answered with http.StatusInternalServerError.
func NewErrInternalServerError(message string) error {
	return NewErrorWithStatusCode(message, http.StatusInternalServerError)
}

// WrapErrInternalServerError lets an error be answered with http.StatusInternalServerError.
func WrapErrInternalServerError(err error) error {
	return WrapErrorWithStatusCode(err, http.StatusInternalServerError)
}

// NewErrNotImplemented returns an error that is answered with http.StatusNotImplemented.
func NewErrNotImplemented(message string) error {
	return NewErrorWithStatusCode(message, http.StatusNotImplemented)
}

// WrapErrNotImplemented lets an error be answered with http.StatusNotImplemented.
func WrapErrNotImplemented(err error) error {
	return WrapErrorWithStatusCode(err, http.StatusNotImplemented)
}

// NewErrBadGateway returns an error that is answered with http.StatusBadGateway.
func NewErrBadGateway(message string) error {
	return NewErrorWithStatusCode(message, http.StatusBadGateway)
}

// WrapErrBadGateway lets an error be answered with http.StatusBadGateway.
func WrapErrBadGateway(err error) error { return WrapErrorWithStatusCode(err, http.StatusBadGateway) }

// NewErrServiceUnavailable returns an error that is answered with http.StatusServiceUnavailable.
func NewErrServiceUnavailable(message string) error {
	return NewErrorWithStatusCode(message, http.StatusServiceUnavailable)
}

// WrapErrServiceUnavailable lets an error be answered with http.StatusServiceUnavailable.
func WrapErrServiceUnavailable(err error) error {
	return WrapErrorWithStatusCode(err, http.StatusServiceUnavailable)
}

// NewErrGatewayTimeout returns an error that is answered with http.StatusGatewayTimeout.
func NewErrGatewayTimeout(message string) error {
	return NewErrorWithStatusCode(message, http.StatusGatewayTimeout)
}

// WrapErrGatewayTimeout lets an error be answered with http.StatusGatewayTimeout.
func WrapErrGatewayTimeout(err error) error {
	return WrapErrorWithStatusCode(err, http.StatusGatewayTimeout)
}

// NewErrHTTPVersionNotSupported returns an error that is answered with http.StatusHTTPVersionNotSupported.
func NewErrHTTPVersionNotSupported(message string) error {
	return NewErrorWithStatusCode(message, http.StatusHTTPVersionNotSupported)
}

// WrapErrHTTPVersionNotSupported lets an error be answered with http.StatusHTTPVersionNotSupported.
func WrapErrHTTPVersionNotSupported(err error) error {
	return WrapErrorWithStatusCode(err, http.StatusHTTPVersionNotSupported)
}

// NewErrVariantAlsoNegotiates returns an error that is answered with http.StatusVariantAlsoNegotiates.
func NewErrVariantAlsoNegotiates(message string) error {
	return NewErrorWithStatusCode(message, http.StatusVariantAlsoNegotiates)
}

// WrapErrVariantAlsoNegotiates lets an error be answered with http.StatusVariantAlsoNegotiates.
func WrapErrVariantAlsoNegotiates(err error) error {
	return WrapErrorWithStatusCode(err, http.StatusVariantAlsoNegotiates)
}

// NewErrInsufficientStorage returns an error that is answered with http.StatusInsufficientStorage.
func NewErrInsufficientStorage(message string) error {
	return NewErrorWithStatusCode(message, http.StatusInsufficientStorage)
}

// WrapErrInsufficientStorage lets an error be answered with http.StatusInsufficientStorage.
func WrapErrInsufficientStorage(err error) error {
	return WrapErrorWithStatusCode(err, http.StatusInsufficientStorage)
}

// NewErrLoopDetected returns an error that is answered with http.StatusLoopDetected.
func NewErrLoopDetected(message string) error {
	return NewErrorWithStatusCode(message, http.StatusLoopDetected)
}

// WrapErrLoopDetected lets an error be answered with http.StatusLoopDetected.
func WrapErrLoopDetected(err error) error {
	return WrapErrorWithStatusCode(err, http.StatusLoopDetected)
}

// NewErrNotExtended returns an error that is answered with http.StatusNotExtended.
func NewErrNotExtended(message string) error {
	return NewErrorWithStatusCode(message, http.StatusNotExtended)
}

// WrapErrNotExtended lets an error be answered with http.StatusNotExtended.
func WrapErrNotExtended(err error) error { return WrapErrorWithStatusCode(err, http.StatusNotExtended) }

// NewErrNetworkAuthenticationRequired returns an error that is answered with http.StatusNetworkAuthenticationRequired.
func NewErrNetworkAuthenticationRequired(message string) error {
	return NewErrorWithStatusCode(message, http.StatusNetworkAuthenticationRequired)
}

// WrapErrNetworkAuthenticationRequired lets an error be answered with http.StatusNetworkAuthenticationRequired.
func WrapErrNetworkAuthenticationRequired(err error) error {
	return WrapErrorWithStatusCode(err, http.StatusNetworkAuthenticationRequired)
}
