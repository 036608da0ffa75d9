namespace KFac.Nn;

/// <summary>What an IDX file of unsigned bytes holds.</summary>
/// <param name="Dimensions">Outermost first: <c>[N]</c> for labels, <c>[N, height, width]</c> for images.</param>
/// <param name="Values">Row-major, as many as the product of the dimensions.</param>
public sealed record IdxArray(IReadOnlyList<int> Dimensions, byte[] Values);
