namespace KFac.Nn;

/// <summary>Graphs with categorical features whose properties are to be predicted, such as molecules.</summary>
/// <param name="Name">Where they come from, for people.</param>
/// <param name="Graphs">The graphs.</param>
/// <param name="NodeFeatureCount">Features of a node.</param>
/// <param name="NodeFeatures">Row-major, nodes × features.</param>
/// <param name="EdgeFeatureCount">Features of an edge.</param>
/// <param name="EdgeFeatures">Row-major, edges × features.</param>
/// <param name="TaskCount">Binary properties.</param>
/// <param name="Labels">Row-major, graphs × tasks; 0, 1, or NaN where nobody measured.</param>
/// <param name="Split">Graphs that train, validate and test.</param>
public sealed record GraphData(
    string Name,
    Graphs Graphs,
    int NodeFeatureCount,
    ReadOnlyMemory<int> NodeFeatures,
    int EdgeFeatureCount,
    ReadOnlyMemory<int> EdgeFeatures,
    int TaskCount,
    ReadOnlyMemory<float> Labels,
    DataSplit Split);
